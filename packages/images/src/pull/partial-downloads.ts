import { type FileHandle, mkdir, open, readdir, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Descriptor, Digest } from '@gantry/oci';

/** What nobody has asked for again in this time is removed. */
const KEPT_MS = 24 * 3600 * 1000;
/** The beginning of a blob is held until its pace is known. */
const HELD_BYTES = 8 * 1024 * 1024;
const HELD_MS = 1000;
/** A blob that takes longer than this from then on is kept on disk. */
const WORTH_MS = 5000;
const PIECE = 256 * 1024;

/**
 * Beginnings of blobs whose download takes long, by digest, so that a pull that breaks off, or a daemon that ends, does not
 * lose them. What is here is not trusted: the digest of the whole blob is checked, as that of any download. A file is at
 * most a day old, and goes when its image is stored.
 */
export class PartialDownloads {
  readonly #folder: string;
  readonly #busy = new Set<Digest>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(root: string): Promise<PartialDownloads> {
    const folder = join(root, 'partial');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const partials = new PartialDownloads(folder);
    await partials.sweep();
    return partials;
  }

  #path(digest: Digest): string {
    return join(this.#folder, digest.replace(':', '-'));
  }

  /** Removes what is old. */
  async sweep(nowMs = Date.now()): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const status = await stat(path).catch(() => undefined);
      if (status && nowMs - status.mtimeMs > KEPT_MS) await unlink(path).catch(() => {});
    }
  }

  async forget(digest: Digest): Promise<void> {
    await unlink(this.#path(digest)).catch(() => {});
  }

  /** Bytes of a blob that are here; more than the blob has are none of it. */
  async length({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<number> {
    const status = await stat(this.#path(digest)).catch(() => undefined);
    if (!status || this.#busy.has(digest)) return 0;
    if (status.size <= size) return status.size;
    await this.forget(digest);
    return 0;
  }

  /**
   * The bytes of a blob: first those that are here, then the rest from `download`. Where the download takes long, its bytes
   * are put here on their way.
   */
  async *through(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    download: (from: number) => AsyncIterable<Buffer>,
  ): AsyncGenerator<Buffer> {
    const { digest, size } = blob;
    const from = await this.length(blob);
    const isOurs = !this.#busy.has(digest);
    if (isOurs) this.#busy.add(digest);
    let file: FileHandle | undefined;
    try {
      if (from > 0) {
        file = await open(this.#path(digest), 'r+');
        yield* read(file, from);
      }
      let held: Buffer[] | undefined = isOurs && from === 0 ? [] : undefined;
      let received = 0;
      const startMs = performance.now();
      for await (const part of download(from)) {
        received += part.length;
        if (file) await file.write(part, 0, part.length, from + received - part.length);
        else if (held) {
          held.push(part);
          const elapsedMs = performance.now() - startMs;
          if (received >= HELD_BYTES || elapsedMs >= HELD_MS) {
            if (((size - received) * elapsedMs) / received > WORTH_MS) {
              file = await open(this.#path(digest), 'w+', 0o600);
              await file.writev(held, 0);
            }
            held = undefined;
          }
        }
        yield part;
      }
    } finally {
      if (isOurs) this.#busy.delete(digest);
      // Its age counts from its last use.
      if (file) await utimes(this.#path(digest), new Date(), new Date()).catch(() => {});
      await file?.close();
    }
  }
}

async function* read(file: FileHandle, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < length; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, length - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
