import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExitStatus } from '../launch.ts';

/** What the shim left in a run directory about its container's end; undefined while there is nothing. */
export async function readExitFile(runDir: string): Promise<ExitStatus | undefined> {
  try {
    return parseExit(await readFile(join(runDir, 'exit'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** `CODE SIGNAL MILLISECONDS NANOSECONDS`, the signal 0 for none; shims of old leave out the last. */
export function parseExit(text: string): ExitStatus | undefined {
  const match = /^(\d+) (\d+) (\d+)(?: (\d+))?\n$/.exec(text);
  if (match === null) return undefined;
  const [, code, signal, milliseconds = '0', nanoseconds] = match;
  return {
    code: Number(code),
    signal: signal === '0' ? undefined : Number(signal),
    exitedAtNs: nanoseconds === undefined ? BigInt(milliseconds) * 1_000_000n : BigInt(nanoseconds),
  };
}
