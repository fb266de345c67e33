import type { Readable } from 'node:stream';
import type { Workers } from '../worker/workers.ts';
import type { ExtractOptions } from './extract.ts';
import type { PathStatus } from './path.ts';

/**
 * Files inside a root that is given as a descriptor, which stays the caller's and must be open until the work has ended.
 * Paths are resolved by the kernel inside that root; all of it happens in worker threads.
 */
export type ContainerFiles = {
  /** @throws notFound when nothing is there */
  status(root: number, path: string): Promise<PathStatus>;
  /** A tar archive of what is at `path`, named by its last part. `ended` is called when the root is not needed any more. */
  read(root: number, path: string, signal: AbortSignal, ended: () => void): Readable;
  /** The directory that `path` leads to, all links followed. @throws notFound, invalidParameter when it is none */
  target(root: number, path: string): Promise<string>;
  /** Extracts an archive, compressed or not, into the directory `path`. */
  write(
    root: number,
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: ExtractOptions,
    signal: AbortSignal,
  ): Promise<void>;
  /** A tar archive that stands in for a volume: holes, times, links and every attribute are in it. */
  backUp(root: number, signal: AbortSignal, ended: () => void): Readable;
  /** Fills an empty directory from such an archive, or any other. @throws invalidParameter when it is cut off */
  restore(root: number, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** A tar archive of the root alone, without what is mounted over it. */
  export(root: number, signal: AbortSignal, ended: () => void): Readable;
};

export function containerFiles(workers: Workers): ContainerFiles {
  return {
    status: (root, path) => workers.run({ kind: 'path', root, path }),
    read: (root, path, signal, ended) => workers.stream({ kind: 'read', root, path }, signal, { onEnded: ended }),
    target: (root, path) => workers.run({ kind: 'target', root, path }),
    write: async (root, path, source, options, signal) => {
      await workers.run({ kind: 'write', root, path, options }, { input: source, signal });
    },
    backUp: (root, signal, ended) => workers.stream({ kind: 'backUp', root }, signal, { onEnded: ended }),
    restore: async (root, source, signal) => {
      const options = { keepKind: false, owner: undefined, whole: true };
      await workers.run({ kind: 'write', root, path: '/', options }, { input: source, signal });
    },
    export: (root, signal, ended) => workers.stream({ kind: 'export', root }, signal, { onEnded: ended }),
  };
}
