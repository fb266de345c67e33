import { numberOf, readControl, readCount, readTable } from '../control-file.ts';
import type { CpuUsage } from '../usage.ts';

/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture that we run on. */
const TICK_NS = 10_000_000;

/** @see admin-guide/cgroup-v1/cpuacct.rst; scheduler/sched-bwc.rst, "Statistics" */
export async function readCpu(cpuacct: string | undefined, cpu: string | undefined): Promise<CpuUsage> {
  const none = new Map<string, number>();
  const [total, each, stat, throttling] = await Promise.all([
    cpuacct === undefined ? 0 : readCount(cpuacct, 'cpuacct.usage'),
    cpuacct === undefined ? '' : readControl(cpuacct, 'cpuacct.usage_percpu'),
    cpuacct === undefined ? none : readTable(cpuacct, 'cpuacct.stat'),
    cpu === undefined ? none : readTable(cpu, 'cpu.stat'),
  ]);
  return {
    totalNs: Number(total),
    kernelNs: numberOf(stat, 'system') * TICK_NS,
    userNs: numberOf(stat, 'user') * TICK_NS,
    perCpuNs: each.split(' ').flatMap(text => (text.trim() === '' ? [] : [Number(text)])),
    periods: numberOf(throttling, 'nr_periods'),
    throttledPeriods: numberOf(throttling, 'nr_throttled'),
    throttledNs: numberOf(throttling, 'throttled_time'),
  };
}
