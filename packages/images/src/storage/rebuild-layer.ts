import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';
import { systemError } from '@gantry/errors';
import { file } from '@gantry/linux';
import type { TarEntry } from '../tar/entry.ts';
import { TarParser } from '../tar/parser.ts';
import { cleanEntryName, type LayerPath } from '../unpack/entry-path.ts';
import { readKept } from '../unpack/kept-files.ts';
import { LAYER_KEPT, LAYER_RECORD, LAYER_ROOT } from '../unpack/layer-intake.ts';

const PIECE = 256 * 1024;
const INSIDE = file.RESOLVE_IN_ROOT | file.RESOLVE_NO_MAGICLINKS;

type Piece =
  | Buffer
  | { readonly path: LayerPath; readonly entry: number; readonly offset: number; readonly length: number };

/**
 * Gives a layer's archive back bit for bit, from its record and its tree. A buffer is valid until the next is asked for.
 * Synchronous: for worker threads only.
 * @throws system when the result's digest is not `diffId`: the layer was changed on disk
 */
export function* rebuildLayer(directory: string, diffId: string): Generator<Buffer> {
  const hash = createHash('sha256');
  for (const bytes of rebuildUnchecked(directory)) {
    hash.update(bytes);
    yield bytes;
  }
  if (`sha256:${hash.digest('hex')}` !== diffId) {
    throw systemError(`the layer ${diffId} in ${directory} was changed on disk: its archive cannot be rebuilt`, {
      hint: 'remove the image and pull or load it again',
    });
  }
}

/** The same without looking at the digest: for one that works beside another who does. */
export function* rebuildUnchecked(directory: string): Generator<Buffer> {
  const pieces: Piece[] = [];
  let entries = 0;
  let path: LayerPath = '';
  const parser = new TarParser(
    {
      entry(entry: TarEntry) {
        entries += 1;
        path = cleanEntryName(entry.name);
      },
      data() {},
      end() {},
      literal(bytes) {
        pieces.push(bytes);
      },
    },
    (offset, length) => pieces.push({ path, entry: entries, offset, length }),
  );
  const scratch = Buffer.allocUnsafeSlow(PIECE);
  const kept = readKept(`${directory}/${LAYER_KEPT}`);
  const open = (name: string): number =>
    file.openAt(file.AT_FDCWD, file.byteString(`${directory}/${name}`), file.O_PATH | file.O_DIRECTORY);
  const root = open(LAYER_ROOT);
  try {
    // Adjacent literal blocks are gathered: a header a time would be a buffer of 512 bytes each.
    let literals: Buffer[] = [];
    let gathered = 0;
    for (const record of readRecord(`${directory}/${LAYER_RECORD}`)) {
      parser.push(record);
      for (const piece of pieces) {
        if (Buffer.isBuffer(piece)) {
          literals.push(piece);
          gathered += piece.length;
          if (gathered < PIECE) continue;
        }
        if (gathered > 0) yield Buffer.concat(literals);
        literals = [];
        gathered = 0;
        if (!Buffer.isBuffer(piece)) {
          const where = kept(piece.path, piece.entry);
          const base = where === undefined ? root : open(LAYER_KEPT);
          try {
            yield* readRegion(base, where ?? piece.path, piece, scratch);
          } finally {
            if (where !== undefined) file.closeDescriptor(base);
          }
        }
      }
      pieces.length = 0;
    }
    if (gathered > 0) yield Buffer.concat(literals);
  } finally {
    file.closeDescriptor(root);
  }
}

function* readRegion(
  root: number,
  path: LayerPath,
  { offset, length }: { readonly offset: number; readonly length: number },
  scratch: Buffer,
): Generator<Buffer> {
  const fd = file.openResolved(root, path, file.O_RDONLY | file.O_NOFOLLOW | file.O_NONBLOCK, INSIDE);
  try {
    for (let done = 0; done < length; ) {
      const piece = scratch.subarray(0, Math.min(PIECE, length - done));
      const n = file.readAt(fd, piece, offset + done);
      if (n === 0) throw systemError(`${file.displayName(path)} in a stored layer is shorter than it was`);
      done += n;
      yield piece.subarray(0, n);
    }
  } finally {
    file.closeDescriptor(fd);
  }
}

/** The record in pieces, so that a large one needs little memory. */
export function* readRecord(path: string): Generator<Buffer> {
  const record = readFileSync(path);
  for (let at = 0; at < record.length; ) {
    const start = at + 4;
    at = start + record.readUInt32LE(at);
    yield zstdDecompressSync(record.subarray(start, at));
  }
}
