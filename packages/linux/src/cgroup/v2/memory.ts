import { type CgroupResources, type ControlWrite, orMax } from '../resources.ts';

/**
 * Limits of memory. `swap` counts memory and swap together, as version 1 did; here the kernel wants swap alone.
 * @throws Error for a swap limit without, or below, a memory limit
 * @see admin-guide/cgroup-v2.rst, "Memory"
 */
export function memoryWrites({ memory }: CgroupResources): ControlWrite[] {
  if (!memory) return [];
  const writes: ControlWrite[] = [];
  const swap = swapAlone(memory.limit ?? 0, memory.swap ?? 0);
  // Without swap accounting there is no such file: then no swap, and no limit of it, is what there is.
  if (swap !== undefined) writes.push({ file: 'memory.swap.max', data: orMax(swap), optional: swap <= 0 });
  if (memory.limit) writes.push({ file: 'memory.max', data: orMax(memory.limit) });
  if (memory.reservation) writes.push({ file: 'memory.low', data: orMax(memory.reservation) });
  return writes;
}

function swapAlone(limit: number, swap: number): number | undefined {
  // Unlimited memory with swap not mentioned means that swap is unlimited too.
  if (limit === -1 && swap === 0) return -1;
  if (swap === 0) return undefined;
  if (swap < 0) return -1;
  if (limit <= 0) throw new Error('unable to set swap limit without memory limit');
  if (swap < limit) throw new Error('memory+swap limit should be >= memory limit');
  return swap - limit;
}
