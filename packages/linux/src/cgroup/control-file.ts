import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A count of the kernel; exact beyond 53 bits too. */
export type Count = number | bigint;

/** The largest number of 64 bits, which stands for `max`. */
export const UNLIMITED: Count = 18_446_744_073_709_551_615n;

/** Text of a control file, empty where the kernel has no such file, or the cgroup is gone. */
export async function readControl(directory: string, file: string): Promise<string> {
  try {
    return await readFile(join(directory, file), 'latin1');
  } catch {
    return '';
  }
}

export function count(text: string): Count {
  const trimmed = text.trim();
  if (trimmed === 'max') return UNLIMITED;
  if (!/^\d+$/.test(trimmed)) return 0;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : BigInt(trimmed);
}

export async function readCount(directory: string, file: string): Promise<Count> {
  return count(await readControl(directory, file));
}

/** A file of lines `key value`. */
export async function readTable(directory: string, file: string): Promise<Map<string, Count>> {
  const table = new Map<string, Count>();
  for (const line of (await readControl(directory, file)).split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) table.set(line.slice(0, space), count(line.slice(space + 1)));
  }
  return table;
}

export const numberOf = (table: ReadonlyMap<string, Count>, key: string): number => Number(table.get(key) ?? 0);
