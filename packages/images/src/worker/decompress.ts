import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { invalidParameter } from '@gantry/errors';

const OUTPUT_BYTES = 64 * 1024;

/** How bytes are compressed, by their first few. */
export function compressionOf(start: Buffer): 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz' {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  if (start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (start.toString('latin1', 0, 3) === 'BZh') return 'bzip2';
  if (start.toString('latin1', 0, 6) === '\xfd7zXZ\0') return 'xz';
  return 'none';
}

/**
 * Gives `use` the bytes of `source` decompressed, in order. What they are compressed with is seen from their start.
 * @throws invalidParameter when they are broken or cut off
 */
export async function decompress(source: AsyncIterable<Buffer>, use: (bytes: Buffer) => void): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  while (start.length < 6) {
    const next = await iterator.next();
    if (next.done) break;
    start = start.length === 0 ? Buffer.from(next.value) : Buffer.concat([start, next.value]);
  }
  async function* whole(): AsyncGenerator<Buffer> {
    if (start.length > 0) yield start;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  const compression = compressionOf(start);
  if (compression === 'none') {
    for await (const bytes of whole()) use(bytes);
    return;
  }
  const stream = decompressor(compression);
  try {
    await pipeline(whole(), stream, async (output: AsyncIterable<Buffer>) => {
      for await (const bytes of output) use(bytes);
    });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'Z_BUF_ERROR' || code === 'ZSTD_error_srcSize_wrong') {
      throw invalidParameter('unexpected EOF', { hint: 'the compressed data is cut off', cause: error });
    }
    if (/^(Z_|ZSTD_)/.test(code)) {
      throw invalidParameter(`${compression}: invalid data: ${error instanceof Error ? error.message : code}`, {
        cause: error,
      });
    }
    throw error;
  }
}

function decompressor(compression: 'gzip' | 'zstd' | 'bzip2' | 'xz'): Transform {
  switch (compression) {
    case 'gzip':
      return createGunzip({ chunkSize: OUTPUT_BYTES });
    case 'zstd':
      return createZstdDecompress({ chunkSize: OUTPUT_BYTES });
    default:
      throw invalidParameter(`archives compressed with ${compression} cannot be read`, {
        hint: `decompress it first, for example: ${compression === 'xz' ? 'xz' : 'bzip2'} -d`,
      });
  }
}
