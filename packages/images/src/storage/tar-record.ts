import { zstdCompressSync } from 'node:zlib';
import { file } from '@gantry/linux';

const PIECE = 256 * 1024;

/**
 * Writes a tar record: a layer's archive without the bytes of its files. 256 KiB at a time it is compressed to a zstd
 * frame, which follows its length (32 bits, little endian). Together with the layer's tree it gives the archive back
 * bit for bit.
 */
export class TarRecordWriter implements Disposable {
  #fd: number;
  readonly #piece = Buffer.allocUnsafe(PIECE);
  #used = 0;
  sizeBytes = 0;

  constructor(path: string) {
    this.#fd = file.openAt(file.AT_FDCWD, file.byteString(path), file.O_WRONLY | file.O_CREAT | file.O_EXCL, 0o600);
  }

  append(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(PIECE - this.#used, bytes.length - at);
      bytes.copy(this.#piece, this.#used, at, at + n);
      this.#used += n;
      at += n;
      if (this.#used === PIECE) this.#flush();
    }
  }

  finish(): void {
    this.#flush();
    this[Symbol.dispose]();
  }

  #flush(): void {
    if (this.#used === 0) return;
    const frame = zstdCompressSync(this.#piece.subarray(0, this.#used));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(frame.length);
    file.writeAll(this.#fd, length);
    file.writeAll(this.#fd, frame);
    this.sizeBytes += 4 + frame.length;
    this.#used = 0;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) file.closeDescriptor(this.#fd);
    this.#fd = -1;
  }
}
