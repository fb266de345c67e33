import { readdirSync } from 'node:fs';
import { systemError } from '@gantry/errors';
import { file, mountOf, projectQuota, readMountInfo } from '@gantry/linux';
import type { Workers } from '../worker/workers.ts';

/** Projects of ours begin here, so that they do not meet those that an administrator numbers by hand. */
const FIRST_PROJECT = 0x4741_0000;

const FOLDER = file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW;

/** Bounds the disk use of directories by project quota. @see quotactl(2) */
export class Quotas {
  readonly #root: string;
  readonly #folders: readonly string[];
  readonly #workers: Workers;
  #last: Promise<unknown> = Promise.resolve();
  #next: number | undefined;

  /** @param folders below `root`, whose entries may be in a project already */
  constructor(root: string, folders: readonly string[], workers: Workers) {
    this.#root = root;
    this.#folders = folders;
    this.#workers = workers;
  }

  /**
   * Bounds what is made below the empty directory `path` from now on.
   * @throws system, in dockerd's words, where the file system has no project quota
   */
  async limit(path: string, limitBytes: number): Promise<void> {
    const task = { root: this.#root, folders: this.#folders, path, limitBytes } as const;
    // One after the other: two must not choose the same project.
    const done = this.#last.then(async () => {
      this.#next = await this.#workers.run({ kind: 'limit', ...task, project: this.#next });
    });
    this.#last = done.catch(() => {});
    await done;
  }
}

/** The work of {@link Quotas}, in a worker: quotactl(2) may wait for the disk. Returns the next free project. */
export function limitTask(task: {
  readonly root: string;
  readonly folders: readonly string[];
  readonly path: string;
  readonly limitBytes: number;
  readonly project: number | undefined;
}): number {
  const mount = mountOf(readMountInfo(), task.root);
  using directory = opened(task.path);
  if (!projectQuota.enforcesProjectLimits(directory.fd, mount?.source)) throw noQuota(task.root, mount?.type);
  const project = task.project ?? firstFree(task.root, task.folders);
  projectQuota.setProject(directory.fd, project);
  projectQuota.setProjectLimit(directory.fd, mount?.source, project, task.limitBytes);
  return project + 1;
}

function firstFree(root: string, folders: readonly string[]): number {
  let free = FIRST_PROJECT;
  for (const folder of folders) {
    for (const name of readdirSync(`${root}/${folder}`)) {
      using directory = opened(`${root}/${folder}/${name}`);
      free = Math.max(free, projectQuota.projectOf(directory.fd) + 1);
    }
  }
  return free;
}

function opened(path: string): Disposable & { readonly fd: number } {
  const fd = file.openAt(file.AT_FDCWD, file.byteString(path), FOLDER);
  return { fd, [Symbol.dispose]: () => file.closeDescriptor(fd) };
}

function noQuota(root: string, type: string | undefined): Error {
  const words = root.endsWith('/vfs')
    ? 'Filesystem does not support, or has not enabled quotas'
    : "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";
  return systemError(words, {
    hint: `the data root is on ${type ?? 'an unknown file system'} without project quota: mount an xfs with pquota, or an ext4 (mkfs.ext4 -O quota,project) with prjquota, there`,
  });
}
