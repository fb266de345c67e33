import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { invalidParameter } from '@gantry/errors';
import { Inflate } from './inflate.ts';

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
 * A piece of the source need not be valid longer than until the next is asked for, what `use` gets until it returns.
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
  if (compression === 'bzip2' || compression === 'xz') {
    await decompressByProgram(compression, copies(whole()), use);
    return;
  }
  const open = Inflate.open(compression);
  try {
    if (open) {
      using inflate = open;
      for await (const bytes of whole()) inflate.push(bytes, use);
      inflate.finish(use);
    } else await decompressByStream(compression, copies(whole()), use);
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

/** For streams, which read ahead of what they have used. */
async function* copies(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const bytes of source) yield Buffer.from(bytes);
}

async function decompressByStream(
  compression: 'gzip' | 'zstd',
  source: AsyncIterable<Buffer>,
  use: (bytes: Buffer) => void,
): Promise<void> {
  const options = { chunkSize: OUTPUT_BYTES };
  const stream = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  await pipeline(source, stream, async (output: AsyncIterable<Buffer>) => {
    for await (const bytes of output) use(bytes);
  });
}

/** xz and bzip2 are rare, and Node has neither: the program of that name does it, as it does xz for dockerd. */
async function decompressByProgram(
  program: 'xz' | 'bzip2',
  source: AsyncIterable<Buffer>,
  use: (bytes: Buffer) => void,
): Promise<void> {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    complaint = (complaint + text).slice(0, 1000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const missing = ended.then(
    () => {},
    () => {
      throw invalidParameter(
        `archives compressed with ${program} cannot be read: the program ${program} is not installed`,
        {
          hint: `install the package ${program === 'xz' ? 'xz-utils' : 'bzip2'}, or decompress the archive first`,
        },
      );
    },
  );
  let sourceError: { readonly error: unknown } | undefined;
  const feeding = pipeline(async function* () {
    try {
      yield* source;
    } catch (error) {
      sourceError = { error };
      throw error;
    }
  }, child.stdin).catch(() => {});
  try {
    for await (const bytes of child.stdout) use(bytes);
    await missing;
    await feeding;
    if (sourceError) throw sourceError.error;
    if ((await ended) !== 0) throw invalidParameter(`${program}: invalid data: ${complaint.trim()}`);
  } finally {
    child.kill('SIGKILL');
  }
}
