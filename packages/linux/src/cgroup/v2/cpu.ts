import type { CgroupResources, ControlWrite } from '../resources.ts';

const DEFAULT_PERIOD_US = 100_000;

/** Weight and quota. @see admin-guide/cgroup-v2.rst, "CPU" */
export function cpuWrites({ cpu }: CgroupResources): ControlWrite[] {
  if (!cpu) return [];
  const writes: ControlWrite[] = [];
  if (cpu.shares) writes.push({ file: 'cpu.weight', data: String(weightOfShares(cpu.shares)) });
  if (cpu.quota || cpu.period) {
    const quota = cpu.quota && cpu.quota > 0 ? String(cpu.quota) : 'max';
    writes.push({ file: 'cpu.max', data: `${quota} ${cpu.period || DEFAULT_PERIOD_US}` });
  }
  return writes;
}

/** Brings shares, 2 to 262144, to weights, 1 to 10000, along a straight line: the mapping of runc 1.3. */
export function weightOfShares(shares: number): number {
  const bounded = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.floor(((bounded - 2) * 9999) / 262_142);
}
