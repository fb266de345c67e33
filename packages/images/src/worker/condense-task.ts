import { closeSync, fsyncSync, openSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';
import { setImmediate as messagesCome } from 'node:timers/promises';
import { hashFor } from '@gantry/oci';
import { analyseGzip } from '../deflate/analyse.ts';
import { OddStream } from '../deflate/code.ts';
import { DeflateRecordReader, DeflateRecordWriter, markKeptWhole } from '../deflate/record.ts';
import { reflate } from '../deflate/reflate.ts';
import { rebuildLayer, rebuildUnchecked } from '../storage/rebuild-layer.ts';
import { LAYER_BLOB, LAYER_DEFLATE } from '../unpack/layer-intake.ts';
import type { TaskInput } from './input.ts';
import type { Task } from './tasks.ts';

/** A record that is more of the blob than this is not worth the time that a push takes to rebuild it. */
const WORTHWHILE = 0.6;
const LOWEST_PRIORITY = 19;

/**
 * Puts a deflate record in the place of a layer's kept blob, once the very blob was made from it and the layer. A blob that
 * cannot be described so stays, with a mark that says so. Whatever stops this leaves the blob, or a record that was tried.
 */
export async function condenseTask(
  { directory, diffId, digest }: Extract<Task, { kind: 'condense' }>,
  input: TaskInput,
): Promise<void> {
  const [blob, record] = [`${directory}/${LAYER_BLOB}`, `${directory}/${LAYER_DEFLATE}`];
  using _ = idleTime();
  if (statSync(record, { throwIfNoEntry: false }) === undefined) {
    const attempt = `${record}.new`;
    try {
      const isGood =
        (await describe(blob, attempt, input)) && (await isRebuilt({ directory, diffId, digest }, attempt, input));
      if (!isGood) markKeptWhole(attempt);
      renameSync(attempt, record);
      sync(directory);
      if (!isGood) return;
    } finally {
      rmSync(attempt, { force: true });
    }
  }
  rmSync(blob, { force: true });
}

/**
 * A layer's blob as it came, from its deflate record. Not compared with its digest: who takes it, a registry, does that.
 * @throws system when it is plainly another
 */
export function* reflateTask({ directory }: Extract<Task, { kind: 'reflate' }>): Generator<Buffer> {
  yield* reflateLayer(rebuildUnchecked(directory), `${directory}/${LAYER_DEFLATE}`);
}

function* reflateLayer(archive: Iterable<Buffer>, record: string): Generator<Buffer> {
  using reader = new DeflateRecordReader(record);
  yield* reflate(reader, archive);
}

/** Whether the blob could be described, and shortly. */
async function describe(blob: string, record: string, input: TaskInput): Promise<boolean> {
  using writer = new DeflateRecordWriter(record);
  const fd = openSync(blob, 'r');
  try {
    for (const _ of analyseGzip(fd, writer)) {
      await messagesCome();
      input.check();
    }
  } catch (error) {
    if (error instanceof OddStream) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
  writer.finish();
  return writer.sizeBytes < WORTHWHILE * statSync(blob).size;
}

async function isRebuilt(
  { directory, diffId, digest }: { readonly directory: string; readonly diffId: string; readonly digest: string },
  record: string,
  input: TaskInput,
): Promise<boolean> {
  const hash = hashFor(digest);
  for (const bytes of reflateLayer(rebuildLayer(directory, diffId), record)) {
    hash.update(bytes);
    await messagesCome();
    input.check();
  }
  return hash.digest('hex') === digest.split(':')[1];
}

/** This thread runs only when nobody else wants to, until the end of the scope. */
function idleTime(): Disposable {
  const thread = Number(basename(readlinkSync('/proc/thread-self')));
  const usual = getPriority(thread);
  setPriority(thread, LOWEST_PRIORITY);
  return {
    [Symbol.dispose]: () => {
      try {
        setPriority(thread, usual);
      } catch {
        // Without CAP_SYS_NICE it stays slow, until the pool ends it.
      }
    },
  };
}

function sync(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
