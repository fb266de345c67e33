import { totalmem } from 'node:os';
import type { cgroup } from '@gantry/linux';
import type { BlockIODocument, CpuStatsDocument, NetworkStatsDocument, StatsDocument } from '../documents/stats.ts';
import { NEVER } from '../time.ts';
import type { HostCpu } from './host.ts';

type Count = cgroup.Count;

/** Everything that was read at one time. */
export type Sample = {
  /** RFC 3339. */
  readonly read: string;
  readonly usage: cgroup.CgroupUsage;
  readonly host: HostCpu;
  readonly networks: ReadonlyMap<string, NetworkStatsDocument>;
};

const NO_CPU: CpuStatsDocument = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** The document of a sample; `previous` is the one that the same reader had before. */
export function statsDocument(
  names: { readonly name: string; readonly id: string } | undefined,
  { read, usage, host, networks }: Sample,
  previous: Sample | undefined,
): StatsDocument {
  return {
    ...names,
    read,
    preread: previous?.read ?? NEVER,
    pids_stats: pids(usage),
    blkio_stats: blockIO(usage),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpu(usage.cpu, host),
    precpu_stats: previous ? cpu(previous.usage.cpu, previous.host) : NO_CPU,
    memory_stats: memory(usage),
    ...(networks.size === 0 ? {} : { networks: Object.fromEntries(networks) }),
  };
}

/** What dockerd answers for a container that does not run. */
export function emptyStatsDocument(names: { readonly name: string; readonly id: string }): StatsDocument {
  return {
    ...names,
    read: NEVER,
    preread: NEVER,
    pids_stats: {},
    blkio_stats: lists(() => null),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: NO_CPU,
    precpu_stats: NO_CPU,
    memory_stats: {},
  };
}

function cpu(usage: cgroup.CpuUsage, host: HostCpu): CpuStatsDocument {
  const each = usage.perCpuNs;
  return {
    cpu_usage: {
      total_usage: usage.totalNs,
      ...(each && each.length > 0 ? { percpu_usage: each } : {}),
      usage_in_kernelmode: usage.kernelNs,
      usage_in_usermode: usage.userNs,
    },
    system_cpu_usage: host.totalNs,
    online_cpus: host.online,
    throttling_data: {
      periods: usage.periods,
      throttled_periods: usage.throttledPeriods,
      throttled_time: usage.throttledNs,
    },
  };
}

/** Fields that are 0 are left out, as Go does with them; version 1 knows no limit but a number. */
function pids({ version, pids }: cgroup.CgroupUsage): StatsDocument['pids_stats'] {
  if (!pids) return {};
  const limit = version === 1 && typeof pids.limit === 'bigint' ? 0 : pids.limit;
  return { ...unlessZero('current', pids.current), ...unlessZero('limit', limit) };
}

function lists(
  of: (name: keyof StatsDocument['blkio_stats']) => BlockIODocument[] | null,
): StatsDocument['blkio_stats'] {
  return {
    io_service_bytes_recursive: of('io_service_bytes_recursive'),
    io_serviced_recursive: of('io_serviced_recursive'),
    io_queue_recursive: of('io_queue_recursive'),
    io_service_time_recursive: of('io_service_time_recursive'),
    io_wait_time_recursive: of('io_wait_time_recursive'),
    io_merged_recursive: of('io_merged_recursive'),
    io_time_recursive: of('io_time_recursive'),
    sectors_recursive: of('sectors_recursive'),
  };
}

function blockIO(usage: cgroup.CgroupUsage): StatsDocument['blkio_stats'] {
  if (usage.version === 2) {
    const bytes = usage.blockIO.length === 0 ? null : usage.blockIO.map(entry);
    return lists(name => (name === 'io_service_bytes_recursive' ? bytes : null));
  }
  const { blockIO: found } = usage;
  if (!found) return lists(() => null);
  const kernelNames = { io_queue_recursive: 'io_queued_recursive', io_time_recursive: 'time_recursive' } as const;
  return lists(name => {
    const file = name === 'io_queue_recursive' || name === 'io_time_recursive' ? kernelNames[name] : name;
    return found[file].map(entry);
  });
}

const entry = ({ major, minor, operation, value }: cgroup.BlockIOEntry): BlockIODocument => ({
  major,
  minor,
  op: operation,
  value,
});

function memory(usage: cgroup.CgroupUsage): StatsDocument['memory_stats'] {
  if (!usage.memory) return {};
  const { usage: used, limit, stat } = usage.memory;
  const names = usage.version === 1 ? STAT_V1 : STAT_V2;
  const stats: Record<string, Count> = {};
  for (const [name, key] of names) stats[name] = stat.get(key) ?? 0;
  // Without a limit there is that of the machine.
  const total = totalmem();
  return {
    ...unlessZero('usage', used),
    ...(usage.version === 1 ? unlessZero('max_usage', usage.memory.maxUsage) : {}),
    stats,
    ...unlessZero('failcnt', usage.version === 1 ? usage.memory.failures : usage.memory.outOfMemory),
    limit: Number(limit) > total ? total : limit,
  };
}

function unlessZero<Key extends string>(key: Key, value: Count): { [K in Key]?: Count } {
  return Number(value) === 0 ? {} : ({ [key]: value } as { [K in Key]: Count });
}

const OWN_V1 = [
  ...['active_anon', 'active_file', 'cache', 'dirty', 'inactive_anon', 'inactive_file', 'mapped_file', 'pgfault'],
  ...['pgmajfault', 'pgpgin', 'pgpgout', 'rss', 'rss_huge', 'unevictable', 'writeback'],
];
const byName = (names: readonly (readonly [string, string])[]) => [...names].sort(([a], [b]) => (a < b ? -1 : 1));

/** Name in the document, name in memory.stat. */
const STAT_V1 = byName([
  ...OWN_V1.flatMap(name => [[name, name] as const, [`total_${name}`, `total_${name}`] as const]),
  ['hierarchical_memory_limit', 'hierarchical_memory_limit'],
  ['hierarchical_memsw_limit', 'hierarchical_memsw_limit'],
]);

const STAT_V2 = byName(
  [
    ...['anon', 'file', 'kernel_stack', 'slab', 'sock', 'shmem', 'file_mapped', 'file_dirty', 'file_writeback'],
    ...['anon_thp', 'inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable'],
    ...['slab_reclaimable', 'slab_unreclaimable', 'pgfault', 'pgmajfault', 'workingset_refault'],
    ...['workingset_activate', 'workingset_nodereclaim', 'pgrefill', 'pgscan', 'pgsteal', 'pgactivate', 'pgdeactivate'],
    ...['pglazyfree', 'pglazyfreed', 'thp_fault_alloc', 'thp_collapse_alloc'],
  ].map(name => [name, name] as const),
);
