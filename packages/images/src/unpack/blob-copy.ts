import { file } from '@gantry/linux';
import { LAYER_BLOB } from './layer-intake.ts';

const WRITEBACK_BYTES = 8 * 1024 * 1024;

/**
 * Writes the compressed bytes of a layer beside its tree, as they come. Deflate cannot be repeated without the program that
 * made it, so a push under the digest that was pulled needs these bytes. Synchronous: for worker threads only.
 */
export class BlobCopy implements Disposable {
  readonly #path: string;
  #fd: number;
  #unsent = 0;

  constructor(directory: string) {
    this.#path = `${directory}/${LAYER_BLOB}`;
    const flags = file.O_WRONLY | file.O_CREAT | file.O_EXCL;
    this.#fd = file.openAt(file.AT_FDCWD, file.byteString(this.#path), flags, 0o600);
  }

  append(bytes: Buffer): void {
    file.writeAll(this.#fd, bytes);
    this.#unsent += bytes.length;
    // So that little is left for the one wait at the end.
    if (this.#unsent < WRITEBACK_BYTES) return;
    file.startWriteback(this.#fd);
    this.#unsent = 0;
  }

  [Symbol.dispose](): void {
    file.closeDescriptor(this.#fd);
  }
}
