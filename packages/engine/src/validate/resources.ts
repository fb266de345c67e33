import { invalidParameter } from '@gantry/errors';
import type { KernelFeatures } from '../defaults.ts';
import type { HostConfig } from '../documents/index.ts';

const MIN_MEMORY_BYTES = 6 * 1024 * 1024;

/** What dockerd refuses about resources while it decodes the request. @throws invalidParameter */
export function checkDecodedResources(host: HostConfig, kernel: KernelFeatures): void {
  if (host.Isolation !== '' && host.Isolation.toLowerCase() !== 'default') {
    throw invalidParameter(`invalid isolation (${host.Isolation}): linux only supports 'default'`);
  }
  if (host.IOMaximumBandwidth !== 0) {
    throw invalidParameter('invalid option: QoS maximum bandwidth configuration is not supported on linux');
  }
  if (host.IOMaximumIOps !== 0) {
    throw invalidParameter('invalid option: QoS maximum IOPs configuration is not supported on linux');
  }
  if ((host.CpuRealtimePeriod !== 0 || host.CpuRealtimeRuntime !== 0) && !kernel.cpuRealtime) {
    throw invalidParameter('kernel does not support CPU real-time scheduler');
  }
  if (host.CpuRealtimePeriod !== 0 && host.CpuRealtimeRuntime > host.CpuRealtimePeriod) {
    throw invalidParameter('cpu real-time runtime cannot be higher than cpu real-time period');
  }
  if (kernel.cpuShares && host.CpuShares < 0) {
    throw invalidParameter(`invalid CPU shares (${host.CpuShares}): value must be a positive integer`);
  }
}

/**
 * Checks the resource limits, and takes back with a warning those that this kernel cannot keep.
 * @param update true for a change of an existing container, where a swap limit alone is allowed
 * @throws invalidParameter
 */
export function checkResources(host: HostConfig, kernel: KernelFeatures, update = false): string[] {
  return [...checkMemory(host, kernel, update), ...checkCpu(host, kernel), ...checkBlkio(host, kernel)];
}

function checkMemory(host: HostConfig, kernel: KernelFeatures, update: boolean): string[] {
  const warnings: string[] = [];
  if (host.MemorySwappiness === -1) host.MemorySwappiness = null;
  if (host.Memory !== 0 && host.Memory < MIN_MEMORY_BYTES) {
    throw invalidParameter('Minimum memory limit allowed is 6MB');
  }
  if (host.Memory > 0 && !kernel.memoryLimit) {
    warnings.push(
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
    host.Memory = 0;
    host.MemorySwap = -1;
  }
  if (host.Memory > 0 && host.MemorySwap !== -1 && !kernel.swapLimit) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    host.MemorySwap = -1;
  }
  if (host.Memory > 0 && host.MemorySwap > 0 && host.MemorySwap < host.Memory) {
    throw invalidParameter('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (host.Memory === 0 && host.MemorySwap > 0 && !update) {
    throw invalidParameter('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (host.MemorySwappiness !== null && !kernel.memorySwappiness) {
    warnings.push(
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    );
    host.MemorySwappiness = null;
  }
  if (host.MemorySwappiness !== null && (host.MemorySwappiness < 0 || host.MemorySwappiness > 100)) {
    throw invalidParameter(`Invalid value: ${host.MemorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (host.MemoryReservation > 0 && !kernel.memoryReservation) {
    warnings.push(
      'Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
    host.MemoryReservation = 0;
  }
  if (host.MemoryReservation > 0 && host.MemoryReservation < MIN_MEMORY_BYTES) {
    throw invalidParameter('Minimum memory reservation allowed is 6MB');
  }
  if (host.Memory > 0 && host.MemoryReservation > 0 && host.Memory < host.MemoryReservation) {
    throw invalidParameter('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (host.OomKillDisable !== null && !kernel.oomKillDisable) {
    if (host.OomKillDisable) {
      warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    }
    host.OomKillDisable = null;
  }
  if (host.OomKillDisable && host.Memory === 0) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  if (host.PidsLimit !== null && !kernel.pidsLimit) {
    if (host.PidsLimit > 0) {
      warnings.push(
        'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
      );
    }
    host.PidsLimit = null;
  }
  return warnings;
}

function checkCpu(host: HostConfig, kernel: KernelFeatures): string[] {
  const warnings: string[] = [];
  if (host.NanoCpus > 0 && host.CpuPeriod > 0) {
    throw invalidParameter('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (host.NanoCpus > 0 && host.CpuQuota > 0) {
    throw invalidParameter('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  if (host.NanoCpus > 0 && !kernel.cpuCfs) {
    throw invalidParameter(
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    );
  }
  if (host.NanoCpus < 0 || host.NanoCpus > kernel.cpus * 1e9) {
    throw invalidParameter(
      `range of CPUs is from 0.01 to ${kernel.cpus}.00, as there are only ${kernel.cpus} CPUs available`,
    );
  }
  if (host.CpuShares > 0 && !kernel.cpuShares) {
    warnings.push('Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.');
    host.CpuShares = 0;
  }
  if ((host.CpuPeriod !== 0 || host.CpuQuota !== 0) && !kernel.cpuCfs) {
    warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    host.CpuPeriod = 0;
    host.CpuQuota = 0;
  }
  if (host.CpuPeriod !== 0 && (host.CpuPeriod < 1000 || host.CpuPeriod > 1_000_000)) {
    throw invalidParameter('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (host.CpuQuota > 0 && host.CpuQuota < 1000) {
    throw invalidParameter('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  }
  if (host.CpuPercent > 0) {
    warnings.push('linux does not support CPU percent. Percent discarded.');
    host.CpuPercent = 0;
  }
  if ((host.CpusetCpus !== '' || host.CpusetMems !== '') && !kernel.cpuset) {
    warnings.push('Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.');
    host.CpusetCpus = '';
    host.CpusetMems = '';
  }
  if (!isSubset(host.CpusetCpus, kernel.availableCpus, 'cpus')) {
    throw invalidParameter(
      `Requested CPUs are not available - requested ${host.CpusetCpus}, available: ${kernel.availableCpus}`,
    );
  }
  if (!isSubset(host.CpusetMems, kernel.availableMems, 'mems')) {
    throw invalidParameter(
      `Requested memory nodes are not available - requested ${host.CpusetMems}, available: ${kernel.availableMems}`,
    );
  }
  return warnings;
}

function isSubset(requested: string, available: string, what: 'cpus' | 'mems'): boolean {
  const wanted = parseRanges(requested);
  if (!wanted) {
    throw invalidParameter(`Invalid value ${requested} for cpuset ${what}: invalid format: ${requested}`);
  }
  const have = parseRanges(available) ?? [];
  return wanted.every(([low, high]) => {
    // Adjacent ranges of the available ones count as one.
    let next = low;
    for (const [from, to] of have.toSorted((a, b) => a[0] - b[0])) if (from <= next && to >= next) next = to + 1;
    return next > high;
  });
}

/** Parses the kernel's list format, `0-2,7`. Returns undefined when it is malformed. */
export function parseRanges(text: string): (readonly [low: number, high: number])[] | undefined {
  const ranges: (readonly [number, number])[] = [];
  if (text === '') return ranges;
  for (const part of text.split(',')) {
    const [, low, high = low] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (low === undefined || Number(high) < Number(low)) return undefined;
    ranges.push([Number(low), Number(high)]);
  }
  return ranges;
}

function checkBlkio(host: HostConfig, kernel: KernelFeatures): string[] {
  const warnings: string[] = [];
  if (host.BlkioWeight > 0 && !kernel.blkioWeight) {
    warnings.push('Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.');
    host.BlkioWeight = 0;
  }
  if (host.BlkioWeight > 0 && (host.BlkioWeight < 10 || host.BlkioWeight > 1000)) {
    throw invalidParameter('Range of blkio weight is from 10 to 1000');
  }
  if ((host.BlkioWeightDevice?.length ?? 0) > 0 && !kernel.blkioWeight) {
    warnings.push(
      'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
    );
    host.BlkioWeightDevice = [];
  }
  const throttles = [
    ['BlkioDeviceReadBps', 'BPS Block I/O read limit', 'BPS read limit'],
    ['BlkioDeviceWriteBps', 'BPS Block I/O write limit', 'BPS write limit'],
    ['BlkioDeviceReadIOps', 'IOPS Block read limit', 'IOPS read limit'],
    ['BlkioDeviceWriteIOps', 'IOPS Block write limit', 'IOPS write limit'],
  ] as const;
  for (const [key, feature, limit] of throttles) {
    if ((host[key]?.length ?? 0) === 0 || kernel.blkioThrottle) continue;
    warnings.push(
      `Your kernel does not support ${feature} or the cgroup is not mounted. Block I/O ${limit} discarded.`,
    );
    host[key] = [];
  }
  return warnings;
}
