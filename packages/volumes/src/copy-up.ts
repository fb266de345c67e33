import { readdir } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { messageOf, systemError } from '@gantry/errors';
import { closeDescriptor, file, openInRoot, statInRoot } from '@gantry/linux';
import { copyDirectoryAttributes } from './copy-tree.ts';
import type { CopyTask } from './copy-worker.ts';

/**
 * Copies what a root has at `path` into an empty directory: owners, modes, times, links and attributes kept. Does nothing
 * when the directory is not empty, or when the root has no directory there. Trees are copied by a worker.
 * @param rootFd the root mount; links of the path stay inside it
 * @throws systemError `failed to populate volume: ...`
 */
export async function copyUp(rootFd: number, path: string, target: string): Promise<void> {
  if ((await readdir(target)).length > 0) return;
  if (!statInRoot(rootFd, path)?.isDirectory()) return;
  const source = openInRoot(rootFd, path, file.O_RDONLY | file.O_DIRECTORY);
  try {
    const entries = await readdir(`/proc/self/fd/${source}`);
    if (entries.length > 0) return await runWorker({ source, target });
    const directory = file.openAt(file.AT_FDCWD, file.byteString(target), file.O_RDONLY | file.O_DIRECTORY);
    try {
      copyDirectoryAttributes(source, directory);
    } finally {
      closeDescriptor(directory);
    }
  } catch (error) {
    throw systemError(`failed to populate volume: ${messageOf(error)}`, { cause: error });
  } finally {
    closeDescriptor(source);
  }
}

/** Descriptors belong to the whole process, so the worker uses those of its parent. */
function runWorker(task: CopyTask): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./copy-worker.ts', import.meta.url), {
      workerData: task,
      trackUnmanagedFds: false,
    });
    worker.once('error', reject);
    worker.once('exit', code => (code === 0 ? resolve() : reject(new Error(`the copy ended with ${code}`))));
  });
}
