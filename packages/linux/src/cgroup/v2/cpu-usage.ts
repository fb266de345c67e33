import { numberOf, readTable } from '../control-file.ts';
import type { CpuUsage } from '../usage.ts';

/** @see admin-guide/cgroup-v2.rst, "cpu.stat" */
export async function readCpu(directory: string): Promise<CpuUsage> {
  const stat = await readTable(directory, 'cpu.stat');
  return {
    totalNs: numberOf(stat, 'usage_usec') * 1000,
    kernelNs: numberOf(stat, 'system_usec') * 1000,
    userNs: numberOf(stat, 'user_usec') * 1000,
    perCpuNs: undefined,
    periods: numberOf(stat, 'nr_periods'),
    throttledPeriods: numberOf(stat, 'nr_throttled'),
    throttledNs: numberOf(stat, 'throttled_usec') * 1000,
  };
}
