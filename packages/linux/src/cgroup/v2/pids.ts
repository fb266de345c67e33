/** The file is the same as in version 1. @see admin-guide/cgroup-v2.rst, "PID" */
export { pidsWrites } from '../v1/pids.ts';
