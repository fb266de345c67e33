import { existsSync } from 'node:fs';
import { mkdir, opendir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, systemError } from '@gantry/errors';
import { closeDescriptor, file, openInRoot, statInRoot } from '@gantry/linux';
import { copyBeside } from './copy-thread.ts';
import { type CopyTask, copyDirectoryAttributes, copyTree, isSmallTree } from './copy-tree.ts';

/** Beside a volume's data: what is being made before it takes the place of the data. */
export const STAGING = '.staging';
/** Beside a volume's data: it is being filled where it is, and is not complete while this exists. */
export const UNFINISHED = '.unfinished';

export type CopyUp = {
  /** The root mount; links of the path stay inside it. */
  readonly rootFd: number;
  readonly path: string;
  /** The volume's directory, `.../NAME/_data`. */
  readonly target: string;
  /** Somebody sees the directory already, or something is mounted over it. */
  readonly inPlace: boolean;
  readonly top: CopyTask['top'];
  /** Called with the new directory before anything is in it: for its quota. */
  readonly prepare: (directory: string) => void;
};

/** Whether a volume's directory waits for its first filling: it is empty, or a filling was cut short. */
export async function waitsForFilling(target: string): Promise<boolean> {
  return (await isEmptyDirectory(target)) || existsSync(join(dirname(target), UNFINISHED));
}

/** Looks for one entry: a directory may have millions. */
async function isEmptyDirectory(path: string): Promise<boolean> {
  const directory = await opendir(path);
  try {
    return (await directory.read()) === null;
  } finally {
    await directory.close();
  }
}

/** Whether a root has a directory at `path`. @throws systemError in dockerd's words when it has something else there */
export function hasDirectory(rootFd: number, path: string): boolean {
  const found = statInRoot(rootFd, path);
  if (found && !found.isDirectory()) {
    throw systemError(`source ${path} is not directory`, { hint: 'a volume cannot be mounted over a file' });
  }
  return found !== undefined;
}

/**
 * Copies what a root has at `path` into an empty directory: owners, modes, times, links and attributes kept. Does nothing
 * when the directory is not empty (but for what a copy that was cut short has left).
 * It appears at once, as a whole, unless the directory is seen already.
 * @throws systemError `failed to populate volume: ...`
 */
export async function copyUp(request: CopyUp): Promise<void> {
  const { rootFd, path, target, top } = request;
  const unfinished = join(dirname(target), UNFINISHED);
  const isEmpty = await isEmptyDirectory(target).catch((error: unknown) => {
    throw systemError(`failed to populate volume: ${messageOf(error)}`, { cause: error });
  });
  if (!isEmpty && !existsSync(unfinished)) return;
  const source = openInRoot(rootFd, path, file.O_RDONLY | file.O_DIRECTORY);
  try {
    const entries = await readdir(`/proc/self/fd/${source}`);
    if (entries.length === 0) takeAttributes(source, target, top);
    else if (isEmpty && !request.inPlace) await fillApart(request, source);
    else {
      await writeFile(unfinished, '');
      await copy({ source, target, inPlace: true, top });
      await rm(unfinished, { force: true });
    }
  } catch (error) {
    throw systemError(`failed to populate volume: ${messageOf(error)}`, {
      cause: error,
      hint: 'it is filled again by the next container that is created with it',
    });
  } finally {
    closeDescriptor(source);
  }
}

async function fillApart({ target, top, prepare }: CopyUp, source: number): Promise<void> {
  const staging = join(dirname(target), STAGING);
  await rm(staging, { recursive: true, force: true });
  try {
    await mkdir(staging, { mode: 0o700 });
    prepare(staging);
    await copy({ source, target: staging, inPlace: false, top });
    // Takes the place of the empty directory.
    await rename(staging, target);
  } catch (error) {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
    // Somebody has put files there meanwhile, from outside: it is not empty any more.
    if (error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY') return;
    throw error;
  }
}

/** A handful of small files is copied at once: it takes less time than a word with a thread. */
async function copy(task: CopyTask): Promise<void> {
  if (isSmallTree(task.source)) copyTree(task);
  else await copyBeside(task);
}

function takeAttributes(source: number, target: string, top: CopyTask['top']): void {
  const directory = file.openAt(file.AT_FDCWD, file.byteString(target), file.O_RDONLY | file.O_DIRECTORY);
  try {
    copyDirectoryAttributes(source, directory, top);
  } finally {
    closeDescriptor(directory);
  }
}
