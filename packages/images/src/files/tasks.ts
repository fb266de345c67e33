import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { notFound, systemError } from '@gantry/errors';
import { describeErrno, SystemCallError } from '@gantry/linux';
import { LayerIntake, type TakenLayer } from '../unpack/layer-intake.ts';
import type { LayerForm, UnpackLimits } from '../unpack/unpacker.ts';
import type { TaskInput } from '../worker/input.ts';
import { type ExtractOptions, extract } from './extract.ts';
import { backUpTree, exportTree, readTree } from './file-tasks.ts';
import { type Change, changesOf, type Difference, differenceArchive } from './layer-diff.ts';
import { type PathStatus, pathStatus, targetDirectory } from './path.ts';

type FileTaskOf<Kind extends string, Fields, Result> = {
  readonly task: { readonly kind: Kind } & Fields;
  readonly result: Result;
};

/** `root` is a descriptor of this process, open until the task has ended. */
export type FileTasks =
  | FileTaskOf<'path', { readonly root: number; readonly path: string }, PathStatus>
  | FileTaskOf<'target', { readonly root: number; readonly path: string }, string>
  | FileTaskOf<'export', { readonly root: number }, undefined>
  | FileTaskOf<'backUp', { readonly root: number }, undefined>
  | FileTaskOf<'read', { readonly root: number; readonly path: string }, undefined>
  | FileTaskOf<'write', { readonly root: number; readonly path: string; readonly options: ExtractOptions }, undefined>
  | FileTaskOf<'changes', { readonly difference: Difference }, readonly Change[]>
  /** Makes a layer in `directory` of what a container has changed. */
  | FileTaskOf<
      'commit',
      {
        readonly directory: string;
        readonly form: LayerForm;
        readonly limits: UnpackLimits;
        readonly difference: Difference;
      },
      TakenLayer
    >;

export type FileTask = FileTasks['task'];

/** @throws notFound when nothing is at a path, system with the words of Go's errors */
export async function runFileTask(
  task: FileTask,
  input: TaskInput,
  output: (pieces: Iterable<Buffer>) => Promise<void>,
): Promise<unknown> {
  try {
    switch (task.kind) {
      case 'path':
        return pathStatus(task.root, task.path);
      case 'target':
        return targetDirectory(task.root, task.path);
      case 'export':
        return await output(exportTree(task.root));
      case 'backUp':
        return await output(backUpTree(task.root));
      case 'read':
        return await output(readTree(task.root, task.path));
      case 'write':
        return await extract(task.root, task.path, task.options, input.read());
      case 'changes':
        return changesOf(task.difference);
      case 'commit':
        return await commitLayer(task, input);
    }
  } catch (error) {
    throw error instanceof SystemCallError ? inWords(error) : error;
  }
}

function inWords({ call, errno, object, message }: SystemCallError): Error {
  if (errno === constants.errno.ENOENT) return notFound(message);
  const text = `${call}${object === undefined ? '' : ` ${object}`}: ${describeErrno(errno)}`;
  if (errno !== constants.errno.ENOSPC && errno !== constants.errno.EDQUOT) return systemError(text);
  return systemError(text, { hint: 'free some disk space, for example with image prune' });
}

const PIECES_AT_ONCE = 64;

async function commitLayer(task: Extract<FileTask, { kind: 'commit' }>, input: TaskInput): Promise<TakenLayer> {
  using intake = new LayerIntake(task.directory, task.form, task.limits);
  let pieces = 0;
  for (const piece of differenceArchive(task.difference)) {
    intake.push(piece);
    pieces += 1;
    if (pieces % PIECES_AT_ONCE !== 0) continue;
    // An order to stop is a message, which is read between two turns.
    await setImmediate();
    input.check();
  }
  return intake.finish();
}
