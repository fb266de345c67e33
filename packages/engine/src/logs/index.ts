import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { systemError } from '@gantry/errors';
import type { LogsOptions } from '../engine.ts';
import { ChangeSignal } from './change.ts';
import { LogDecoder } from './decode.ts';
import { onceEnded } from './end-listeners.ts';
import type { LogFile } from './log-file.ts';
import { nextLogFile, openLogFiles, seekTail } from './log-files.ts';

/** One read, and at most one slice of work on the event loop: about a millisecond. */
const CHUNK_BYTES = 256 * 1024;
/** The same for one that waits for new lines: many may, for long, and most changes are small. */
const LIVE_CHUNK_BYTES = 32 * 1024;
/** A line longer than this was not written by a logger. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Docker's third stream: the client shows it as an error of the daemon. */
const SYSTEM_ERROR = 3;
/** From here on lines share frames: nobody looks at a hundred thousand of them one by one. */
const COALESCE_FROM_BYTES = 1024 * 1024;

export type LogsInput = {
  readonly path: string;
  /** Raw output; Docker's 8-byte frames otherwise. */
  readonly tty: boolean;
  readonly options: LogsOptions;
  /** A log was begun: it is an error of its own, in the stream, when it is not there. */
  readonly begun?: boolean;
  /** Present while the container runs: with `follow`, new lines are sent until `ended`. */
  readonly running: { readonly ended: Promise<void> } | undefined;
};

/**
 * Reads a container's json-file log (`path.N` ... `path.1`, each compressed or not, then `path`) as the bytes that a client gets. A log that does not
 * exist is empty. The reader sets the pace: nothing is read ahead of it but one chunk.
 */
export function readLogs(input: LogsInput, signal: AbortSignal): Readable {
  // A reader that is destroyed ends a wait for new lines, just as the signal does.
  const gone = new AbortController();
  const chunks = read(input, AbortSignal.any([signal, gone.signal]));
  return new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      chunks.next().then(
        ({ done, value }) => this.push(done ? null : value),
        error => this.destroy(error),
      );
    },
    destroy(error, done) {
      gone.abort();
      chunks.return().then(
        () => done(error),
        () => done(error),
      );
    },
  });
}

async function* read(input: LogsInput, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  const { path, options } = input;
  const follow = options.follow && input.running !== undefined;
  // Watched before the first read, so that no change falls between.
  using change = follow ? new ChangeSignal(dirname(path)) : undefined;
  const state = { ended: !follow };
  const end = (): void => {
    state.ended = true;
    change?.raise();
  };
  signal.addEventListener('abort', end, { once: true });
  const forget = input.running && onceEnded(input.running.ended, end);
  const timer = follow && options.untilNs > 0n ? setTimeout(end, untilMs(options.untilNs)) : undefined;

  const files = await openLogFiles(path);
  let current: LogFile | undefined;
  try {
    let offset = 0;
    if (options.tail === 0) {
      for (const file of files.splice(0, files.length - 1)) await file.close();
      offset = files[0]?.sizeBytes ?? 0;
    } else if (options.tail !== undefined) offset = await seekTail(files, options.tail);

    if (input.begun && !follow && files.length === 0) yield missingLog(path, input.tty);

    const total = files.reduce((sum, file) => sum + file.sizeBytes, 0) - offset;
    const backlog = new LogDecoder({ ...options, multiplexed: !input.tty, coalesce: total > COALESCE_FROM_BYTES });
    for (let file = files.shift(); file; file = files.shift()) {
      if (current) offset = 0;
      await current?.close();
      current = file;
      offset = yield* readFile(file, offset, file.sizeBytes, backlog, signal);
      if (backlog.done || signal.aborted) return;
    }
    if (!change) return;

    const live = new LogDecoder({ ...options, multiplexed: !input.tty, coalesce: false });
    while (!signal.aborted && !live.done) {
      // Looked at before the read: what was written before the end is in the file by then.
      const last = state.ended;
      if (current) offset = yield* readFile(current, offset, Number.POSITIVE_INFINITY, live, signal);
      const next: LogFile | undefined = current ? await nextLogFile(path, current) : (await openLogFiles(path)).shift();
      if (next) {
        // Rotated: what came between the last read and the rename is read before the new file.
        if (current) yield* readFile(current, offset, Number.POSITIVE_INFINITY, live, signal);
        await current?.close();
        current = next;
        offset = 0;
        continue;
      }
      if (last) return;
      await change.wait();
    }
  } catch (error) {
    throw systemError(`cannot read the log ${path}`, { cause: error });
  } finally {
    clearTimeout(timer);
    forget?.();
    signal.removeEventListener('abort', end);
    for (const file of [current, ...files]) await file?.close();
  }
}

/** Decodes a file up to `limit`. @returns the offset after its last complete line */
async function* readFile(
  file: LogFile,
  from: number,
  limit: number,
  decoder: LogDecoder,
  signal: AbortSignal,
): AsyncGenerator<Buffer, number> {
  let offset = from;
  const chunkBytes = Number.isFinite(limit) ? Math.min(CHUNK_BYTES, Math.max(limit - from, 4096)) : LIVE_CHUNK_BYTES;
  let buffer = Buffer.allocUnsafeSlow(chunkBytes);
  /** Made when something was read: most that wait for new lines read none. */
  let spare: typeof buffer | undefined;
  /** Bytes of an incomplete line at the start of the buffer. */
  let kept = 0;
  const readInto = (into: Buffer, at: number, position: number) => {
    const length = Math.min(into.length - at, limit - position);
    return length <= 0 ? Promise.resolve(0) : file.read(into, at, length, position);
  };
  let pending = readInto(buffer, 0, offset);
  try {
    while (!signal.aborted && !decoder.done) {
      const bytesRead = await pending;
      if (bytesRead === 0) break;
      const filled = kept + bytesRead;
      const { output, next } = decoder.decode(buffer, 0, filled);
      offset += next;
      kept = filled - next;
      if (next === 0 && filled === buffer.length) {
        if (filled >= MAX_LINE_BYTES) {
          // No line at all: what follows its first newline may be one.
          offset += filled;
          kept = 0;
        } else spare = Buffer.allocUnsafeSlow(buffer.length * 2);
      }
      spare ??= Buffer.allocUnsafeSlow(buffer.length);
      buffer.copy(spare, 0, next, next + kept);
      [buffer, spare] = [spare, buffer.length < spare.length ? Buffer.allocUnsafeSlow(spare.length) : buffer];
      // The next read runs while the reader takes this output.
      pending = readInto(buffer, kept, offset + kept);
      if (output.length > 0) yield output;
    }
  } finally {
    // A reader that goes away in between closes the file.
    await pending.catch(() => {});
  }
  return offset;
}

/** What dockerd sends in the third stream of a log that somebody has deleted. */
function missingLog(path: string, tty: boolean): Buffer {
  const text = Buffer.from(`Error grabbing logs: open ${path}: no such file or directory\n`);
  if (tty) return text;
  const head = Buffer.from([SYSTEM_ERROR, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, text]);
}

function untilMs(untilNs: bigint): number {
  return Math.min(Math.max(Number(untilNs / 1_000_000n) - Date.now(), 0), 2 ** 31 - 1);
}
