import { type Count, readCount, readTable } from '../control-file.ts';

export type MemoryUsageV1 = {
  readonly usage: Count;
  readonly maxUsage: Count;
  readonly limit: Count;
  readonly failures: Count;
  readonly stat: ReadonlyMap<string, Count>;
};

/** What a cgroup's processes and page cache take. @see admin-guide/cgroup-v1/memory.rst */
export async function readMemory(directory: string): Promise<MemoryUsageV1> {
  const [usage, maxUsage, limit, failures, stat] = await Promise.all([
    readCount(directory, 'memory.usage_in_bytes'),
    readCount(directory, 'memory.max_usage_in_bytes'),
    readCount(directory, 'memory.limit_in_bytes'),
    readCount(directory, 'memory.failcnt'),
    readTable(directory, 'memory.stat'),
  ]);
  return { usage, maxUsage, limit, failures, stat };
}
