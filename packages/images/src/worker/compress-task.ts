import { createHash } from 'node:crypto';
import { constants, crc32, deflateRawSync } from 'node:zlib';
import { rebuildLayer } from '../storage/rebuild-layer.ts';
import type { CompressedLayer, Task } from './tasks.ts';

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

/**
 * Compresses a stored layer with gzip, in this thread: the pool that the engine's file calls run in stays free.
 * `result` is there when all pieces were read.
 * @see RFC 1952
 */
export function compressTask(
  { directory, diffId }: Extract<Task, { kind: 'compress' }>,
  onUsed: (bytes: number) => void,
): { readonly pieces: Generator<Buffer>; result(): CompressedLayer } {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  function* pieces(): Generator<Buffer> {
    for (const piece of gzip(rebuildLayer(directory, diffId), onUsed)) {
      hash.update(piece);
      sizeBytes += piece.length;
      yield piece;
    }
  }
  return { pieces: pieces(), result: () => ({ digest: `sha256:${hash.digest('hex')}`, sizeBytes }) };
}

/** One gzip member of the bytes of `source`. */
export function* gzip(source: Iterable<Buffer>, onUsed: (bytes: number) => void): Generator<Buffer> {
  yield HEADER;
  // The dictionary stands before the block in one buffer.
  const buffer = Buffer.allocUnsafeSlow(DICTIONARY_BYTES + BLOCK_BYTES);
  let dictionary = 0;
  let used = 0;
  let checksum = 0;
  let length = 0;
  const block = (isLast: boolean): Buffer => {
    const bytes = buffer.subarray(DICTIONARY_BYTES, DICTIONARY_BYTES + used);
    checksum = crc32(bytes, checksum);
    length += used;
    const finishFlush = isLast ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
    const before = buffer.subarray(DICTIONARY_BYTES - dictionary, DICTIONARY_BYTES);
    const options = { level: LEVEL, finishFlush, ...(dictionary === 0 ? {} : { dictionary: before }) };
    const compressed = deflateRawSync(bytes, options);
    onUsed(used);
    if (!isLast) {
      buffer.copyWithin(0, used, used + DICTIONARY_BYTES);
      dictionary = DICTIONARY_BYTES;
      used = 0;
    }
    return compressed;
  };
  for (const piece of source) {
    for (let at = 0; at < piece.length; ) {
      const n = piece.copy(buffer, DICTIONARY_BYTES + used, at);
      at += n;
      used += n;
      if (used === BLOCK_BYTES) yield block(false);
    }
  }
  yield block(true);
  const end = Buffer.alloc(8);
  end.writeUInt32LE(checksum >>> 0, 0);
  end.writeUInt32LE(length % 2 ** 32, 4);
  yield end;
}
