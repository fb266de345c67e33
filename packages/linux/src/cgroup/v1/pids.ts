import { type CgroupResources, type ControlWrite, orMax } from '../resources.ts';

/** The number of tasks; the file takes `max` in version 1 too. @see admin-guide/cgroup-v1/pids.rst */
export function pidsWrites({ pids }: CgroupResources): ControlWrite[] {
  return pids && pids.limit !== 0 ? [{ file: 'pids.max', data: orMax(pids.limit) }] : [];
}
