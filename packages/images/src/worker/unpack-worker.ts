import { parentPort } from 'node:worker_threads';
import { isGantryError, messageOf } from '@gantry/errors';
import { SystemCallError, treeSize } from '@gantry/linux';
import { explainTask } from '../explain/explain-task.ts';
import { runFileTask } from '../files/tasks.ts';
import { limitTask } from '../storage/quotas.ts';
import { rebuildLayer } from '../storage/rebuild-layer.ts';
import { archiveTask } from './archive-task.ts';
import { compressTask } from './compress-task.ts';
import { condenseTask, reflateTask } from './condense-task.ts';
import { TaskInput } from './input.ts';
import { saveArchive } from './save-task.ts';
import { type FromWorker, type Task, type ToWorker, WINDOW, type WireError } from './tasks.ts';
import { copyTask, removeTask, syncTask } from './tree-tasks.ts';
import { unpackTask } from './unpack-task.ts';

/** The thread that does the bulk work on files: it runs one task at a time, and may block as it likes. */
const port = parentPort;
if (!port) throw new Error('this file runs as a worker thread');

const send = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

let input: TaskInput | undefined;
let credit = 0;
let onTaken: (() => void) | undefined;

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'task':
      input = new TaskInput(({ buffer, length }) => send({ type: 'used', bytes: length, memory: buffer }, [buffer]));
      credit = WINDOW;
      run(message.task, input).then(
        result => send({ type: 'done', result }),
        error => send({ type: 'failed', error: wireError(error) }),
      );
      break;
    case 'chunk':
      input?.add(message.bytes);
      break;
    case 'end':
      input?.end();
      break;
    case 'abort':
      input?.abort();
      onTaken?.();
      break;
    case 'taken':
      credit += 1;
      onTaken?.();
      break;
  }
});

async function run(task: Task, from: TaskInput): Promise<unknown> {
  switch (task.kind) {
    case 'unpack':
      return await unpackTask(task, from);
    case 'archive':
      return await archiveTask(task, from);
    case 'save':
      return await output(saveArchive(task.members), from);
    case 'rebuild':
      return await output(rebuildLayer(task.directory, task.diffId), from);
    case 'compress':
      return await output(
        compressTask(task, bytes => send({ type: 'used', bytes })),
        from,
      );
    case 'condense':
      return await condenseTask(task, from);
    case 'reflate':
      return await output(reflateTask(task), from);
    case 'copy':
      return copyTask(task.from, task.to);
    case 'remove':
      return removeTask(task.paths);
    case 'size':
      return treeSize(task.path, task.without);
    case 'limit':
      return limitTask(task);
    case 'explain':
      return explainTask(task);
    case 'sync':
      return syncTask(task.path);
    default:
      return await runFileTask(task, from, pieces => output(pieces, from));
  }
}

const OUTPUT_BYTES = 256 * 1024;

/** Sends pieces on in chunks of their own memory, never more than the reader has asked for. */
async function output(pieces: Iterable<Buffer>, from: TaskInput): Promise<void> {
  let chunk = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  let used = 0;
  const flush = async (): Promise<void> => {
    while (credit === 0) {
      from.check();
      await new Promise<void>(resolve => {
        onTaken = resolve;
      });
    }
    from.check();
    credit -= 1;
    send({ type: 'chunk', bytes: chunk.subarray(0, used) }, [chunk.buffer]);
    chunk = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    used = 0;
  };
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const n = piece.copy(chunk, used, at);
      at += n;
      used += n;
      if (used === OUTPUT_BYTES) await flush();
    }
  }
  if (used > 0) await flush();
}

function wireError(error: unknown): WireError {
  if (isGantryError(error)) return { kind: error.kind, message: error.message, hint: error.hint, code: undefined };
  const code = error instanceof SystemCallError ? error.code : undefined;
  return { kind: undefined, message: messageOf(error), hint: undefined, code };
}
