import type { cgroup } from '@gantry/linux';

type Count = cgroup.Count;

export type BlockIODocument = { major: number; minor: number; op: string; value: number };
type BlockIOList = BlockIODocument[] | null;

export type CpuStatsDocument = {
  cpu_usage: {
    total_usage: number;
    percpu_usage?: readonly number[];
    usage_in_kernelmode: number;
    usage_in_usermode: number;
  };
  system_cpu_usage?: number;
  online_cpus?: number;
  throttling_data: { periods: number; throttled_periods: number; throttled_time: number };
};

/** A sample of GET /containers/{id}/stats, its keys in dockerd's order. */
export type StatsDocument = {
  /** `/name`; a one-shot sample has neither name nor id. */
  name?: string;
  id?: string;
  /** RFC 3339. */
  read: string;
  preread: string;
  pids_stats: { current?: Count; limit?: Count };
  blkio_stats: {
    io_service_bytes_recursive: BlockIOList;
    io_serviced_recursive: BlockIOList;
    io_queue_recursive: BlockIOList;
    io_service_time_recursive: BlockIOList;
    io_wait_time_recursive: BlockIOList;
    io_merged_recursive: BlockIOList;
    io_time_recursive: BlockIOList;
    sectors_recursive: BlockIOList;
  };
  num_procs: number;
  storage_stats: Record<string, never>;
  cpu_stats: CpuStatsDocument;
  precpu_stats: CpuStatsDocument;
  memory_stats: {
    usage?: Count;
    max_usage?: Count;
    stats?: Record<string, Count>;
    failcnt?: Count;
    limit?: Count;
  };
  networks?: Record<string, NetworkStatsDocument>;
};

export type NetworkStatsDocument = {
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
};
