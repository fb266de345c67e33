import { Readable } from 'node:stream';
import { notImplemented } from '@gantry/errors';
import type { LogsOptions } from '../engine.ts';

/**
 * Reads a container's json-file log (`path.N` ... `path.1`, `path`) as the bytes that a client gets.
 * @param input.tty raw output; Docker's 8-byte frames otherwise
 * @param input.running present while the container runs: with `follow`, new lines are sent until `ended`
 */
export function readLogs(
  _input: {
    readonly path: string;
    readonly tty: boolean;
    readonly options: LogsOptions;
    readonly running: { readonly ended: Promise<void> } | undefined;
  },
  _signal: AbortSignal,
): Readable {
  return Readable.from(
    (async function* (): AsyncGenerator<Buffer> {
      throw notImplemented('logs: in work');
    })(),
  );
}
