import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { file } from '@gantry/linux';
import type { ByteString } from '../tar/entry.ts';
import type { LayerPath } from './entry-path.ts';

/** `path` was moved to the file or directory named `at` in the folder when the archive's entry number `at` came. */
type Kept = { readonly at: number; readonly path: LayerPath };

/**
 * Content that an archive carries and the layer's tree does not show: a file that a later entry of the same archive
 * replaces, the bytes of a marker. Rare, but without it the archive could not be rebuilt.
 */
export class KeptFiles implements Disposable {
  readonly #path: string;
  readonly #list: Kept[] = [];
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Moves `base` here, at the time of entry number `at`. */
  keep(parent: number, base: ByteString, path: LayerPath, at: number): void {
    file.renameAt(parent, base, this.#folder(), String(at));
    this.#list.push({ at, path });
  }

  /** Makes a file for the bytes of `path` and returns its descriptor. */
  create(path: LayerPath, at: number): number {
    const fd = file.openAt(this.#folder(), String(at), file.O_WRONLY | file.O_CREAT | file.O_EXCL, 0o600);
    this.#list.push({ at, path });
    return fd;
  }

  finish(): void {
    if (this.#list.length > 0) writeFileSync(`${this.#path}/list.json`, JSON.stringify(this.#list));
  }

  #folder(): number {
    if (this.#fd === undefined) {
      mkdirSync(this.#path, { mode: 0o700 });
      this.#fd = file.openAt(file.AT_FDCWD, file.byteString(this.#path), file.O_PATH | file.O_DIRECTORY);
    }
    return this.#fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) file.closeDescriptor(this.#fd);
    this.#fd = undefined;
  }
}

/** Where the bytes of the archive's entry number `entry` at `path` are kept, as a path in the folder; undefined when in the tree. */
export type KeptLookup = (path: LayerPath, entry: number) => ByteString | undefined;

/** Reads a folder written by {@link KeptFiles}. */
export function readKept(folder: string): KeptLookup {
  let list: Kept[];
  try {
    list = JSON.parse(readFileSync(`${folder}/list.json`, 'utf8'));
  } catch {
    return () => undefined;
  }
  return (path, entry) => {
    let best: Kept | undefined;
    for (const kept of list) {
      const covers = kept.path === path || path.startsWith(`${kept.path}/`);
      if (covers && kept.at > entry && (!best || kept.at < best.at)) best = kept;
    }
    return best && `${best.at}${path.slice(best.path.length)}`;
  };
}
