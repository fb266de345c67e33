/** The files are the same; in version 2 an empty cpuset inherits by itself. @see admin-guide/cgroup-v2.rst, "Cpuset" */
export { cpusetWrites } from '../v1/cpuset.ts';
