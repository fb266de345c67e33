import { constants, crc32, deflateRawSync } from 'node:zlib';
import { rebuildLayer, rebuildUnchecked } from '../storage/rebuild-layer.ts';
import type { Task } from './tasks.ts';

/** Blocks are compressed one by one, each with the end of the one before as its dictionary. */
const BLOCK_BYTES = 1024 * 1024;
const DICTIONARY_BYTES = 32 * 1024;
/** gzip, deflate, no name, no time, so that the same layer always gives the same bytes; system unknown. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/**
 * Measured on a Debian system: a little smaller than what dockerd's level 6 (Go's compressor) makes of it, in two thirds
 * of the time that zlib's own level 6 takes. Pushed digests depend on it: changing it makes every layer a new blob.
 */
const LEVEL = 4;

/** Of so many threads that compress one layer together, which blocks are this one's: every `of`th, from `index` on. */
export type Share = { readonly index: number; readonly of: number };

/**
 * Compresses a share of a stored layer with gzip, in this thread: the pool that the engine's file calls run in stays free.
 * Each block comes behind its length, see {@link framed}.
 */
export function* compressTask(
  { directory, diffId, share }: Extract<Task, { kind: 'compress' }>,
  onUsed: (bytes: number) => void,
): Generator<Buffer> {
  const archive = share.index === 0 ? rebuildLayer(directory, diffId) : rebuildUnchecked(directory);
  for (const block of gzip(archive, onUsed, share)) yield framed(block);
}

/** A block behind its length (32 bits, little endian). */
function framed(block: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(block.length);
  return Buffer.concat([length, block]);
}

/**
 * A share of the blocks of one gzip member of the bytes of `source`; in turns, the blocks of all shares are the member. It
 * is the same however many shares there are.
 * @see RFC 1952
 */
export function* gzip(
  source: Iterable<Buffer>,
  onUsed: (bytes: number) => void,
  { index, of }: Share = { index: 0, of: 1 },
): Generator<Buffer> {
  // The dictionary stands before the block in one buffer.
  const buffer = Buffer.allocUnsafeSlow(DICTIONARY_BYTES + BLOCK_BYTES);
  let dictionary = 0;
  let used = 0;
  let checksum = 0;
  let length = 0;
  let blocks = 0;
  const block = (isLast: boolean): Buffer | undefined => {
    const bytes = buffer.subarray(DICTIONARY_BYTES, DICTIONARY_BYTES + used);
    checksum = crc32(bytes, checksum);
    length += used;
    const isFirst = blocks === 0;
    const isOurs = blocks++ % of === index;
    let result: Buffer | undefined;
    if (isOurs) {
      const finishFlush = isLast ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
      const before = buffer.subarray(DICTIONARY_BYTES - dictionary, DICTIONARY_BYTES);
      const options = { level: LEVEL, finishFlush, ...(dictionary === 0 ? {} : { dictionary: before }) };
      const compressed = deflateRawSync(bytes, options);
      result = isFirst ? Buffer.concat([HEADER, compressed]) : compressed;
      onUsed(used);
    }
    if (!isLast) {
      buffer.copyWithin(0, used, used + DICTIONARY_BYTES);
      dictionary = DICTIONARY_BYTES;
      used = 0;
    }
    return result;
  };
  for (const piece of source) {
    for (let at = 0; at < piece.length; ) {
      const n = piece.copy(buffer, DICTIONARY_BYTES + used, at);
      at += n;
      used += n;
      if (used < BLOCK_BYTES) continue;
      const full = block(false);
      if (full) yield full;
    }
  }
  const last = block(true);
  if (!last) return;
  const end = Buffer.alloc(8);
  end.writeUInt32LE(checksum >>> 0, 0);
  end.writeUInt32LE(length % 2 ** 32, 4);
  yield Buffer.concat([last, end]);
}
