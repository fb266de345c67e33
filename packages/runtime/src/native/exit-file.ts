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

/** `CODE SIGNAL MILLISECONDS`, the signal 0 for none. */
export function parseExit(text: string): ExitStatus | undefined {
  const match = /^(\d+) (\d+) (\d+)\n$/.exec(text);
  if (match === null) return undefined;
  const [code = 0, signal = 0, exitedAtMs = 0] = match.slice(1).map(Number);
  return { code, signal: signal === 0 ? undefined : signal, exitedAtMs };
}
