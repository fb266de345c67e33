import type { CgroupResources, ControlWrite } from '../resources.ts';

/**
 * Limits of memory in a new cgroup: the limit first, since the kernel refuses one that is above memory and swap together.
 * @see admin-guide/cgroup-v1/memory.rst
 */
export function memoryWrites({ memory }: CgroupResources): ControlWrite[] {
  if (!memory) return [];
  const writes: ControlWrite[] = [];
  const { limit = 0, reservation = 0, swappiness } = memory;
  // No limit of memory means none of swap either, unless one was asked for.
  const swap = memory.swap || (limit === -1 ? -1 : 0);
  if (limit !== 0) writes.push({ file: 'memory.limit_in_bytes', data: String(limit) });
  if (swap !== 0) writes.push({ file: 'memory.memsw.limit_in_bytes', data: String(swap) });
  if (reservation !== 0) writes.push({ file: 'memory.soft_limit_in_bytes', data: String(reservation) });
  if (memory.disableOOMKiller) writes.push({ file: 'memory.oom_control', data: '1' });
  if (swappiness !== undefined && swappiness >= 0) writes.push({ file: 'memory.swappiness', data: String(swappiness) });
  return writes;
}
