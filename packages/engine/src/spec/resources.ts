import { statSync } from 'node:fs';
import { systemError } from '@gantry/errors';
import { splitDeviceNumber } from '@gantry/linux';
import type { LinuxResources, ThrottleDeviceSpec } from '@gantry/oci';
import type { Resources, ThrottleDevice } from '../documents/index.ts';

const CPU_PERIOD_US = 100_000;

/** The cgroup limits of a container, without its device rules. @throws systemError for a device that does not exist */
export function containerResources(given: Resources): Omit<LinuxResources, 'devices'> {
  const memory = memoryLimits(given);
  const cpu = cpuLimits(given);
  const blockIO = blockLimits(given);
  return {
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(given.PidsLimit === null ? {} : { pids: { limit: given.PidsLimit <= 0 ? -1 : given.PidsLimit } }),
    ...(Object.keys(blockIO).length > 0 ? { blockIO } : {}),
  };
}

function memoryLimits(given: Resources): NonNullable<LinuxResources['memory']> {
  return {
    ...(given.Memory > 0 ? { limit: given.Memory } : {}),
    ...(given.MemoryReservation > 0 ? { reservation: given.MemoryReservation } : {}),
    // -1 (swap without bound) is dropped here as in dockerd: the kernel's own value is that already.
    ...(given.MemorySwap > 0 ? { swap: given.MemorySwap } : {}),
    ...(given.MemorySwappiness === null ? {} : { swappiness: given.MemorySwappiness }),
    ...(given.OomKillDisable ? { disableOOMKiller: true } : {}),
  };
}

function cpuLimits(given: Resources): NonNullable<LinuxResources['cpu']> {
  const cpu: NonNullable<LinuxResources['cpu']> = {};
  if (given.CpuShares > 0) cpu.shares = given.CpuShares;
  if (given.CpusetCpus !== '') cpu.cpus = given.CpusetCpus;
  if (given.CpusetMems !== '') cpu.mems = given.CpusetMems;
  if (given.NanoCpus > 0) {
    cpu.period = CPU_PERIOD_US;
    cpu.quota = Math.trunc((given.NanoCpus * CPU_PERIOD_US) / 1e9);
  }
  if (given.CpuPeriod !== 0) cpu.period = given.CpuPeriod;
  if (given.CpuQuota !== 0) cpu.quota = given.CpuQuota;
  if (given.CpuRealtimePeriod !== 0) cpu.realtimePeriod = given.CpuRealtimePeriod;
  if (given.CpuRealtimeRuntime !== 0) cpu.realtimeRuntime = given.CpuRealtimeRuntime;
  return cpu;
}

function deviceNumbers(path: string): { major: number; minor: number } {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) throw systemError(`stat ${path}: no such file or directory`);
  return splitDeviceNumber(stats.rdev);
}

function throttle(devices: readonly ThrottleDevice[] | null): ThrottleDeviceSpec[] {
  return (devices ?? []).map(({ Path, Rate }) => ({ ...deviceNumbers(Path), rate: Rate }));
}

function blockLimits(given: Resources): NonNullable<LinuxResources['blockIO']> {
  const blockIO: NonNullable<LinuxResources['blockIO']> = {};
  if (given.BlkioWeight !== 0) blockIO.weight = given.BlkioWeight;
  const weights = (given.BlkioWeightDevice ?? []).map(({ Path, Weight }) => ({
    ...deviceNumbers(Path),
    weight: Weight,
  }));
  if (weights.length > 0) blockIO.weightDevice = weights;
  for (const [key, devices] of [
    ['throttleReadBpsDevice', given.BlkioDeviceReadBps],
    ['throttleWriteBpsDevice', given.BlkioDeviceWriteBps],
    ['throttleReadIOPSDevice', given.BlkioDeviceReadIOps],
    ['throttleWriteIOPSDevice', given.BlkioDeviceWriteIOps],
  ] as const) {
    const rules = throttle(devices);
    if (rules.length > 0) blockIO[key] = rules;
  }
  return blockIO;
}
