import { readControl } from '../control-file.ts';
import type { BlockIOEntry } from '../usage.ts';

/** Bytes read and written, by device. @see admin-guide/cgroup-v2.rst, "io.stat" */
export async function readIO(directory: string): Promise<BlockIOEntry[]> {
  const text = await readControl(directory, 'io.stat');
  return text.split('\n').flatMap(line => {
    const [device = '', ...pairs] = line.split(' ');
    const [major, minor] = device.split(':').map(Number);
    if (major === undefined || minor === undefined || pairs.length === 0) return [];
    const values = new Map(pairs.map(pair => pair.split('=') as [string, string]));
    const entry = (operation: string, key: string): BlockIOEntry => ({
      major,
      minor,
      operation,
      value: Number(values.get(key) ?? 0),
    });
    return [entry('read', 'rbytes'), entry('write', 'wbytes')];
  });
}
