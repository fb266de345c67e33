import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { decodeHeader, HEADER_BYTES, type Origin, type Original } from './compressed-header.ts';

/** An open log file, whatever its name is by now. */
export interface LogFile {
  /** When it was opened. */
  readonly sizeBytes: number;
  /** How many lines it has, where that is known without reading it. */
  readonly lines: number | undefined;
  origin(): Promise<Origin>;
  /** Reads at most `length` bytes from `position` into `into` at `at`. @returns how many, 0 at the end */
  read(into: Buffer, at: number, length: number, position: number): Promise<number>;
  close(): Promise<void>;
}

/** Opens a log file, compressed or not; undefined when there is none of that name. */
export async function openLogFile(path: string): Promise<LogFile | undefined> {
  return (await openPlain(path)) ?? (await openCompressed(`${path}.gz`));
}

/** Whether two open files have the same lines: one file, or one and its compressed form. */
export async function sameFile(a: LogFile, b: LogFile): Promise<boolean> {
  const [first, second] = await Promise.all([a.origin(), b.origin()]);
  if (first.inode !== second.inode) return false;
  // An inode is used again when its file is gone; while both are open, it is that file's.
  return (a.lines === undefined && b.lines === undefined) || first.modifiedNs === second.modifiedNs;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function openPlain(path: string): Promise<LogFile | undefined> {
  const handle = await openIfThere(path);
  if (!handle) return undefined;
  const { size } = await handle.stat();
  return {
    sizeBytes: size,
    lines: undefined,
    origin: async () => {
      const { ino, mtimeNs } = await handle.stat({ bigint: true });
      return { inode: ino, modifiedNs: mtimeNs };
    },
    read: async (into, at, length, position) => (await handle.read(into, at, length, position)).bytesRead,
    close: () => handle.close(),
  };
}

async function openCompressed(path: string): Promise<LogFile | undefined> {
  const handle = await openIfThere(path);
  if (!handle) return undefined;
  const header = Buffer.alloc(HEADER_BYTES);
  await handle.read(header, 0, HEADER_BYTES, 0);
  const original = decodeHeader(header);
  if (original) return new CompressedLog(handle, original);
  await handle.close();
  return undefined;
}

/** Decompresses on the way; who reads backwards begins anew. */
class CompressedLog implements LogFile {
  readonly sizeBytes: number;
  readonly lines: number;
  readonly #handle: FileHandle;
  readonly #original: Original;
  #source: Readable | undefined;
  #chunks: AsyncIterator<Buffer> | undefined;
  /** What is left of the last chunk, and where it begins. */
  #rest: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(handle: FileHandle, original: Original) {
    this.#handle = handle;
    this.#original = original;
    this.sizeBytes = original.sizeBytes;
    this.lines = original.lines;
  }

  async origin(): Promise<Origin> {
    return this.#original;
  }

  async read(into: Buffer, at: number, length: number, position: number): Promise<number> {
    if (position < this.#position) this.#rewind();
    while (position >= this.#position + this.#rest.length) {
      this.#position += this.#rest.length;
      this.#rest = Buffer.alloc(0);
      if (this.#position >= this.sizeBytes) return 0;
      const chunk = await this.#next();
      if (!chunk) return 0;
      this.#rest = chunk;
    }
    this.#rest = this.#rest.subarray(position - this.#position);
    this.#position = position;
    return this.#rest.copy(into, at, 0, length);
  }

  /** Undefined at the end, and where the file is damaged: what comes after it in time can still be read. */
  async #next(): Promise<Buffer | undefined> {
    try {
      if (!this.#chunks) {
        this.#source = this.#handle.createReadStream({ start: 0, autoClose: false });
        // An error of either comes out of the iterator.
        this.#chunks = pipeline(this.#source, createGunzip(), () => {})[Symbol.asyncIterator]();
      }
      const { done, value } = await this.#chunks.next();
      return done ? undefined : value;
    } catch {
      return undefined;
    }
  }

  #rewind(): void {
    // Its end takes the decompression along, and lets go of the file.
    this.#source?.destroy();
    this.#source = this.#chunks = undefined;
    this.#rest = Buffer.alloc(0);
    this.#position = 0;
  }

  async close(): Promise<void> {
    this.#rewind();
    await this.#handle.close();
  }
}
