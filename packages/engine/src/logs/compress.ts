import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32, createDeflateRaw } from 'node:zlib';
import { lockFile } from '@gantry/linux';
import { encodeHeader, HEADER_BYTES, type Origin } from './compressed-header.ts';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 64 * 1024;
const TRAILER_BYTES = 8;
const LOCK_RETRY_MS = 5;
const LOCK_TIMEOUT_MS = 5000;

/**
 * Compresses the files that a log was rotated to (`path.1` becomes `path.1.gz`), the newest first. Its writer may rotate meanwhile:
 * a file that has moved is exchanged where it is then, under the lock of the directory. Whatever is interrupted leaves the
 * file as it was, and `path.compressing`, which nobody reads and the next call begins anew.
 * @returns false when a file was rotated away before it was compressed: its writer is faster than this
 */
export async function compressRotated(path: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const [index] = await rotatedIndexes(path);
    if (index === undefined) return true;
    if (!(await compressOne(path, index, signal))) return false;
  }
  return true;
}

/** The numbers of the files that are not compressed, in their order. */
async function rotatedIndexes(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch((error: unknown) => {
    // The container is removed.
    if (isMissing(error)) return [];
    throw error;
  });
  return names
    .filter(name => name.startsWith(prefix) && /^[1-9]\d*$/.test(name.slice(prefix.length)))
    .map(name => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}

async function compressOne(path: string, index: number, signal: AbortSignal): Promise<boolean> {
  const target = `${path}.compressing`;
  try {
    await using file = await open(`${path}.${index}`, 'r');
    const { ino: inode, mtimeNs: modifiedNs } = await file.stat({ bigint: true });
    const origin = { inode, modifiedNs };
    await writeCompressed(file, origin, target, signal);
    if (await exchange(path, origin, target, signal)) return true;
  } catch (error) {
    await rm(target, { force: true });
    if (isMissing(error) || signal.aborted) return false;
    throw error;
  }
  await rm(target, { force: true });
  return false;
}

async function writeCompressed(file: FileHandle, origin: Origin, target: string, signal: AbortSignal): Promise<void> {
  let checksum = 0;
  let lines = 0;
  let sizeBytes = 0;
  async function* original(): AsyncGenerator<Buffer> {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, sizeBytes);
      if (bytesRead === 0) return;
      const chunk = buffer.subarray(0, bytesRead);
      checksum = crc32(chunk, checksum);
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
      sizeBytes += bytesRead;
      yield chunk;
    }
  }
  await using output = await open(target, 'w', 0o640);
  let end = HEADER_BYTES;
  await pipeline(
    original,
    createDeflateRaw(),
    async (compressed: AsyncIterable<Buffer>) => {
      for await (const chunk of compressed) {
        await writeWhole(output, chunk, end);
        end += chunk.length;
      }
    },
    { signal },
  );
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(sizeBytes % 2 ** 32, 4);
  await writeWhole(output, trailer, end);
  await writeWhole(output, encodeHeader({ ...origin, sizeBytes, lines }), 0);
  // The original goes next: a power cut must not leave an empty file instead of it.
  await output.datasync();
}

async function writeWhole(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
  }
}

/** Puts `compressed` in the place of its original, wherever that is by now. @returns false when it is nowhere */
async function exchange(path: string, origin: Origin, compressed: string, signal: AbortSignal): Promise<boolean> {
  await using directory = await open(dirname(path), 'r');
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  while (!lockFile(directory.fd)) {
    if (performance.now() > deadline) throw new Error(`${dirname(path)} is locked by somebody else`);
    await delay(LOCK_RETRY_MS, undefined, { signal });
  }
  for (const index of await rotatedIndexes(path)) {
    const place = join(dirname(path), `${basename(path)}.${index}`);
    const { ino, mtimeNs } = await stat(place, { bigint: true });
    if (ino !== origin.inode || mtimeNs !== origin.modifiedNs) continue;
    await rename(compressed, `${place}.gz`);
    await rm(place);
    return true;
  }
  return false;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
