import type { CgroupResources, ControlWrite } from '../resources.ts';

/** Weight, quota and real-time share. The period comes before the quota, which is checked against it. @see scheduler/sched-bwc.rst */
export function cpuWrites({ cpu }: CgroupResources): ControlWrite[] {
  if (!cpu) return [];
  const writes: ControlWrite[] = [];
  if (cpu.realtimePeriod) writes.push({ file: 'cpu.rt_period_us', data: String(cpu.realtimePeriod) });
  if (cpu.realtimeRuntime) writes.push({ file: 'cpu.rt_runtime_us', data: String(cpu.realtimeRuntime) });
  if (cpu.shares) writes.push({ file: 'cpu.shares', data: String(cpu.shares) });
  if (cpu.period) writes.push({ file: 'cpu.cfs_period_us', data: String(cpu.period) });
  if (cpu.quota) writes.push({ file: 'cpu.cfs_quota_us', data: String(cpu.quota) });
  return writes;
}
