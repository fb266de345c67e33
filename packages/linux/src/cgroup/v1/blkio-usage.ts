import { readControl } from '../control-file.ts';
import type { BlockIOEntry } from '../usage.ts';

/** Files of the weight-based schedulers, by their names without the prefix. */
const RECURSIVE = [
  'io_service_bytes_recursive',
  'io_serviced_recursive',
  'io_queued_recursive',
  'io_service_time_recursive',
  'io_wait_time_recursive',
  'io_merged_recursive',
  'time_recursive',
  'sectors_recursive',
] as const;

export type BlockIOUsageV1 = { readonly [File in (typeof RECURSIVE)[number]]: readonly BlockIOEntry[] };

/** What was read and written, from the scheduler's counters, or where it has none from those of throttling. @see admin-guide/cgroup-v1/blkio-controller.rst */
export async function readBlockIO(directory: string): Promise<BlockIOUsageV1> {
  for (const prefix of ['blkio.bfq.', 'blkio.']) {
    const lists = await Promise.all(
      RECURSIVE.map(async file => parse(await readControl(directory, `${prefix}${file}`))),
    );
    if (lists.some(list => list.length > 0)) return usage(file => lists[RECURSIVE.indexOf(file)] ?? []);
  }
  const [bytes, operations] = await Promise.all([
    readControl(directory, 'blkio.throttle.io_service_bytes'),
    readControl(directory, 'blkio.throttle.io_serviced'),
  ]);
  return usage(file => {
    if (file === 'io_service_bytes_recursive') return parse(bytes);
    return file === 'io_serviced_recursive' ? parse(operations) : [];
  });
}

function usage(of: (file: (typeof RECURSIVE)[number]) => readonly BlockIOEntry[]): BlockIOUsageV1 {
  return Object.fromEntries(RECURSIVE.map(file => [file, of(file)])) as BlockIOUsageV1;
}

/** Lines `8:0 Read 4096`, and `8:0 17` in files without operations; the line of the sum has no device. */
function parse(text: string): BlockIOEntry[] {
  return text.split('\n').flatMap(line => {
    const match = /^(\d+):(\d+) (?:(\S+) )?(\d+)$/.exec(line);
    if (!match) return [];
    const [, major, minor, operation = '', value] = match;
    return [{ major: Number(major), minor: Number(minor), operation, value: Number(value) }];
  });
}
