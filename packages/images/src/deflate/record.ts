import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { systemError } from '@gantry/errors';
import { file } from '@gantry/linux';

/** First byte of a file. What reads these files reads all versions that there were. */
const VERSION = 1;
/** The only byte of a file that says: this blob cannot be described, it is kept whole. */
const KEPT_WHOLE = 0;
const FRAME_BYTES = 256 * 1024;
/** Number of the stream (8 bits) and length of the frame (32 bits, little endian). */
const FRAME_HEADER = 5;

/**
 * The streams of a deflate record. Each is cut into zstd frames, which stand in the file in any order, behind their headers.
 * - `headers`: the bits of the blob that belong to no token and to no stored block: headers, tables, padding, checksums; and
 *   behind each gzip member one that tells whether another follows
 * - `runs`: how many literals come before each match
 * - `lengths`: the length of each match, less 3
 * - `places`: how many nearer places have the bytes of a match; 255 stands before a number of 16 bits
 */
export const STREAMS = ['headers', 'runs', 'lengths', 'places'] as const;
export type StreamName = (typeof STREAMS)[number];

/** Values in `runs`. Less is a run with a match behind it. */
export const RUN_GOES_ON = 253;
/** The block ends, after as many literals as the next byte says. */
export const RUN_ENDS_BLOCK = 254;
/** In `places`: what follows has 16 bits. */
export const PLACES_LONG = 255;

/** Writes a deflate record. Synchronous, for worker threads only. */
export class DeflateRecordWriter implements Disposable {
  readonly headers: BitSink;
  readonly runs: ByteSink;
  readonly lengths: ByteSink;
  readonly places: ByteSink;
  readonly #fd: number;
  sizeBytes = 1;

  constructor(path: string) {
    this.#fd = openSync(path, 'w', 0o600);
    file.writeAll(this.#fd, Buffer.of(VERSION));
    const sink = (name: StreamName): ByteSink => new ByteSink(bytes => this.#frame(name, bytes));
    this.headers = new BitSink(sink('headers'));
    this.runs = sink('runs');
    this.lengths = sink('lengths');
    this.places = sink('places');
  }

  /** Everything is on disk when it returns. */
  finish(): void {
    this.headers.finish();
    for (const sink of [this.runs, this.lengths, this.places]) sink.flush();
    fsyncSync(this.#fd);
  }

  #frame(name: StreamName, bytes: Buffer): void {
    const frame = zstdCompressSync(bytes);
    const header = Buffer.alloc(FRAME_HEADER);
    header.writeUInt8(STREAMS.indexOf(name), 0);
    header.writeUInt32LE(frame.length, 1);
    file.writeAll(this.#fd, header);
    file.writeAll(this.#fd, frame);
    this.sizeBytes += FRAME_HEADER + frame.length;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

class ByteSink {
  readonly #bytes = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #used = 0;
  readonly #frame: (bytes: Buffer) => void;

  constructor(frame: (bytes: Buffer) => void) {
    this.#frame = frame;
  }

  put(byte: number): void {
    if (this.#used === FRAME_BYTES) this.flush();
    this.#bytes[this.#used++] = byte;
  }

  flush(): void {
    if (this.#used > 0) this.#frame(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
  }
}

class BitSink {
  readonly #sink: ByteSink;
  #held = 0;
  #bits = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** `count` is 16 at most. */
  put(value: number, count: number): void {
    this.#held |= value << this.#bits;
    this.#bits += count;
    for (; this.#bits >= 8; this.#bits -= 8) {
      this.#sink.put(this.#held & 255);
      this.#held >>>= 8;
    }
  }

  finish(): void {
    if (this.#bits > 0) this.#sink.put(this.#held);
    this.#sink.flush();
  }
}

/** Writes in the place of a record that there is none. */
export function markKeptWhole(path: string): void {
  writeFileSync(path, Buffer.of(KEPT_WHOLE), { flush: true });
}

/** Reads a deflate record. Synchronous, for worker threads only. @throws system for what is none, or cut off */
export class DeflateRecordReader implements Disposable {
  readonly headers: BitSource;
  readonly runs: ByteSource;
  readonly lengths: ByteSource;
  readonly places: ByteSource;
  readonly #fd: number;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#fd = file.openAt(file.AT_FDCWD, file.byteString(path), file.O_RDONLY);
    if (this.#read(0, 1)[0] !== VERSION) throw this.#damaged();
    const source = (name: StreamName): ByteSource => new ByteSource(this.#frames(STREAMS.indexOf(name)));
    this.headers = new BitSource(source('headers'));
    this.runs = source('runs');
    this.lengths = source('lengths');
    this.places = source('places');
  }

  *#frames(stream: number): Generator<Buffer, never> {
    for (let at = 1; ; ) {
      const header = this.#read(at, FRAME_HEADER);
      const start = at + FRAME_HEADER;
      at = start + header.readUInt32LE(1);
      if (header[0] === stream) yield this.#decompress(this.#read(start, at - start));
    }
  }

  #decompress(frame: Buffer): Buffer {
    try {
      return zstdDecompressSync(frame, { maxOutputLength: FRAME_BYTES });
    } catch {
      throw this.#damaged();
    }
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length <= 2 * FRAME_BYTES ? length : 0);
    for (let done = 0; done < length; ) {
      const n = bytes.length === 0 ? 0 : file.readAt(this.#fd, bytes.subarray(done), at + done);
      if (n === 0) throw this.#damaged();
      done += n;
    }
    return bytes;
  }

  #damaged(): Error {
    return systemError(`the deflate record ${this.#path} is damaged`);
  }

  [Symbol.dispose](): void {
    file.closeDescriptor(this.#fd);
  }
}

class ByteSource {
  readonly #frames: Generator<Buffer, never>;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(frames: Generator<Buffer, never>) {
    this.#frames = frames;
  }

  take(): number {
    if (this.#at === this.#bytes.length) {
      this.#bytes = this.#frames.next().value;
      this.#at = 0;
    }
    return this.#bytes[this.#at++] ?? 0;
  }
}

class BitSource {
  readonly #source: ByteSource;
  #held = 0;
  #bits = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** `count` is 16 at most. */
  take(count: number): number {
    for (; this.#bits < count; this.#bits += 8) this.#held |= this.#source.take() << this.#bits;
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#bits -= count;
    return value;
  }
}
