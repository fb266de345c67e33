import { createHash } from 'node:crypto';
import { file, SystemCallError } from '@gantry/linux';
import { readRecord } from '../storage/rebuild-layer.ts';
import type { TarEntry } from '../tar/entry.ts';
import { TarParser } from '../tar/parser.ts';
import { baseOf, cleanEntryName, meaningOf, parentOf } from '../unpack/entry-path.ts';
import { LAYER_RECORD, LAYER_ROOT } from '../unpack/layer-intake.ts';
import { DROPPABLE } from './droppable.ts';
import { type HiddenFile, LayerTree, type StoredFile } from './layer-tree.ts';

/** A path of an image as text; a layer counts from 0 at the bottom. */
export type ExplainedFile = { readonly path: string; readonly layer: number; readonly sizeBytes: number };

export type ExplainedLayer = {
  readonly files: number;
  /** Bytes of its files. */
  readonly sizeBytes: number;
  /** Bytes of it that a later layer overwrites or removes. */
  readonly hiddenBytes: number;
  /** Bytes of lower layers that it overwrites or removes: they stay in the image. */
  readonly hidesBytes: number;
};

export type Explanation = {
  readonly layers: readonly ExplainedLayer[];
  /** Bytes of the files that a container sees. */
  readonly visibleBytes: number;
  readonly hiddenBytes: number;
  /** Bytes of visible files that have the content of another one. */
  readonly duplicateBytes: number;
  readonly droppableBytes: number;
  /** The largest of each, largest first. */
  readonly largest: readonly ExplainedFile[];
  readonly hidden: readonly (ExplainedFile & { readonly by: number; readonly how: 'overwritten' | 'removed' })[];
  readonly duplicates: readonly { readonly sizeBytes: number; readonly files: readonly ExplainedFile[] }[];
  readonly droppable: readonly {
    readonly what: string;
    readonly remedy: string;
    readonly sizeBytes: number;
    readonly files: number;
  }[];
};

/** Content is compared from this size on: less is not worth a line. */
const MIN_DUPLICATE_BYTES = 4096;
const PIECE = 256 * 1024;
const INSIDE = file.RESOLVE_IN_ROOT | file.RESOLVE_NO_MAGICLINKS;

/**
 * Explains the layers in these directories, bottom first: what they store, what hides what, what is there twice.
 * Synchronous, for worker threads only. @param limit how many files each list names
 */
export function explainTask({ directories, limit }: { directories: readonly string[]; limit: number }): Explanation {
  const hidden: HiddenFile[] = [];
  const tree = new LayerTree(one => hidden.push(one));
  const layers = directories.map((directory, layer) => readLayer(directory, layer, tree));
  for (const { layer, by, sizeBytes } of hidden) {
    const [below, above] = [layers[layer], layers[by]];
    if (below) below.hiddenBytes += sizeBytes;
    if (above) above.hidesBytes += sizeBytes;
  }
  const visible = [...tree.visible()];
  const duplicates = findDuplicates(visible, directories);
  const droppable = DROPPABLE.map(({ what, remedy, pattern }) => {
    const files = visible.filter(({ path }) => pattern.test(path));
    return { what, remedy, sizeBytes: sum(files), files: files.length };
  }).filter(({ sizeBytes }) => sizeBytes > 0);
  const top = <T extends { readonly sizeBytes: number }>(list: readonly T[]): T[] =>
    [...list].sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, limit);
  return {
    layers,
    visibleBytes: sum(visible),
    hiddenBytes: sum(hidden),
    duplicateBytes: duplicates.reduce((total, { sizeBytes, files }) => total + sizeBytes * (files.length - 1), 0),
    droppableBytes: sum(visible.filter(({ path }) => DROPPABLE.some(({ pattern }) => pattern.test(path)))),
    largest: top(visible).map(named),
    hidden: top(hidden).map(named),
    duplicates: [...duplicates]
      .sort((a, b) => b.sizeBytes * (b.files.length - 1) - a.sizeBytes * (a.files.length - 1))
      .slice(0, limit)
      .map(({ sizeBytes, files }) => ({ sizeBytes, files: files.slice(0, limit).map(named) })),
    droppable: droppable.sort((a, b) => b.sizeBytes - a.sizeBytes),
  };
}

const sum = (files: readonly { readonly sizeBytes: number }[]): number =>
  files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);

const named = <T extends { readonly path: string }>(one: T): T => ({ ...one, path: `/${file.displayName(one.path)}` });

type Counted = { -readonly [Key in keyof ExplainedLayer]: ExplainedLayer[Key] };

function readLayer(directory: string, layer: number, tree: LayerTree): Counted {
  const counted: Counted = { files: 0, sizeBytes: 0, hiddenBytes: 0, hidesBytes: 0 };
  const entry = ({ name, type, sizeBytes }: TarEntry): void => {
    const path = cleanEntryName(name);
    const meaning = meaningOf(baseOf(path));
    const parent = parentOf(path);
    if (meaning.kind === 'whiteout') tree.remove(parent === '' ? meaning.hidden : `${parent}/${meaning.hidden}`, layer);
    else if (meaning.kind === 'opaque') tree.opaque(parent, layer);
    else if (meaning.kind === 'plain' && type === 'directory') tree.directory(path, layer);
    else if (meaning.kind === 'plain' && path !== '') {
      counted.files += 1;
      counted.sizeBytes += sizeBytes;
      tree.put({ path, layer, sizeBytes });
    }
  };
  const nothing = (): void => {};
  const parser = new TarParser({ entry, data: nothing, end: nothing, literal: nothing }, nothing);
  for (const record of readRecord(`${directory}/${LAYER_RECORD}`)) parser.push(record);
  return counted;
}

type Duplicates = { readonly sizeBytes: number; readonly files: readonly StoredFile[] };

/** Visible files with the same content. Only those that share their size with another are read. */
function findDuplicates(visible: readonly StoredFile[], directories: readonly string[]): Duplicates[] {
  const bySize = Map.groupBy(
    visible.filter(({ sizeBytes }) => sizeBytes >= MIN_DUPLICATE_BYTES),
    ({ sizeBytes }) => sizeBytes,
  );
  const roots = new Map<number, number>();
  const rootOf = (layer: number): number => {
    let fd = roots.get(layer);
    if (fd === undefined) {
      const path = file.byteString(`${directories[layer]}/${LAYER_ROOT}`);
      fd = file.openAt(file.AT_FDCWD, path, file.O_PATH | file.O_DIRECTORY);
      roots.set(layer, fd);
    }
    return fd;
  };
  const found: Duplicates[] = [];
  try {
    for (const [sizeBytes, files] of bySize) {
      if (files.length < 2) continue;
      const byContent = Map.groupBy(files, one => contentOf(rootOf(one.layer), one));
      for (const [content, same] of byContent) {
        if (content !== undefined && same.length > 1) found.push({ sizeBytes, files: same });
      }
    }
  } finally {
    for (const fd of roots.values()) file.closeDescriptor(fd);
  }
  return found;
}

const scratch = Buffer.allocUnsafeSlow(PIECE);

function contentOf(root: number, { path }: StoredFile): string | undefined {
  try {
    const fd = file.openResolved(root, path, file.O_RDONLY | file.O_NOFOLLOW | file.O_NONBLOCK, INSIDE);
    try {
      const hash = createHash('sha1');
      let at = 0;
      for (let n = file.readAt(fd, scratch, 0); n > 0; n = file.readAt(fd, scratch, at)) {
        hash.update(scratch.subarray(0, n));
        at += n;
      }
      return hash.digest('base64');
    } finally {
      file.closeDescriptor(fd);
    }
  } catch (error) {
    // A file that a later entry of its own layer has replaced by something else is not compared.
    if (error instanceof SystemCallError) return undefined;
    throw error;
  }
}
