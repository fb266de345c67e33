import { type Count, readCount, readTable } from '../control-file.ts';

export type MemoryUsageV2 = {
  readonly usage: Count;
  readonly limit: Count;
  /** How often the limit was hit without a way out. */
  readonly outOfMemory: Count;
  readonly stat: ReadonlyMap<string, Count>;
};

/** What a cgroup's processes and page cache take. @see admin-guide/cgroup-v2.rst, "Memory Interface Files" */
export async function readMemory(directory: string): Promise<MemoryUsageV2> {
  const [usage, limit, events, stat] = await Promise.all([
    readCount(directory, 'memory.current'),
    readCount(directory, 'memory.max'),
    readTable(directory, 'memory.events'),
    readTable(directory, 'memory.stat'),
  ]);
  return { usage, limit, outOfMemory: events.get('oom') ?? 0, stat };
}
