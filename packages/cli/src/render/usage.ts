import type { StatsDocument } from '@gantry/client';

/** What a container uses, as `stats` shows it. */
export type Usage = {
  /** 100 for one whole processor. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  readonly memoryPercent: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly pids: number;
};

/** Reads a sample by the rules of Docker's command: processor time against the host's, memory without its idle page cache. */
export function measure(sample: StatsDocument): Usage {
  const memory = memoryOf(sample);
  const limit = Number(sample.memory_stats.limit ?? 0);
  const networks = Object.values(sample.networks ?? {});
  const moved = (op: string): number =>
    (sample.blkio_stats.io_service_bytes_recursive ?? [])
      .filter(entry => entry.op.toLowerCase() === op)
      .reduce((sum, { value }) => sum + value, 0);
  return {
    cpuPercent: cpuPercent(sample),
    memoryBytes: memory,
    memoryLimitBytes: limit,
    memoryPercent: limit === 0 ? 0 : (memory / limit) * 100,
    receivedBytes: networks.reduce((sum, { rx_bytes }) => sum + rx_bytes, 0),
    sentBytes: networks.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0),
    readBytes: moved('read'),
    writtenBytes: moved('write'),
    pids: Number(sample.pids_stats.current ?? 0),
  };
}

function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsDocument): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const processors = now.online_cpus || now.cpu_usage.percpu_usage?.length || 0;
  return used > 0 && passed > 0 ? (used / passed) * processors * 100 : 0;
}

function memoryOf({ memory_stats: { usage = 0, stats = {} } }: StatsDocument): number {
  // Version 1 has the first key, version 2 the second.
  const idle = Number(stats.total_inactive_file ?? stats.inactive_file ?? 0);
  return idle < Number(usage) ? Number(usage) - idle : Number(usage);
}
