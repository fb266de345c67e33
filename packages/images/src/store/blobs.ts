import { readFileSync } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { systemError } from '@gantry/errors';
import { type Digest, digestOf, digestParts } from '@gantry/oci';

/** Content by digest: `blobs/sha256/HEX`. Holds documents (configurations, manifests); layers are trees elsewhere. */
export class BlobStore {
  readonly #path: string;
  #counter = 0;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(root: string): Promise<BlobStore> {
    const path = `${root}/blobs/sha256`;
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new BlobStore(path);
  }

  #file(digest: Digest): string {
    return `${this.#path}/${digestParts(digest).hex}`;
  }

  /** @throws system when the blob is missing or was changed on disk */
  read(digest: Digest): Buffer {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#file(digest));
    } catch (cause) {
      throw systemError(`the document ${digest} of an image is missing in ${this.#path}`, { cause });
    }
    if (digestOf(bytes) !== digest) throw systemError(`the document ${digest} in ${this.#path} was changed on disk`);
    return bytes;
  }

  /** Stores a document under its digest, durably. */
  async write(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const path = this.#file(digest);
    const there = await stat(path).catch(() => undefined);
    if (there?.size === bytes.byteLength) return digest;
    this.#counter += 1;
    const temporary = `${this.#path}/.new-${process.pid}-${this.#counter}`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return digest;
  }

  async delete(digest: Digest): Promise<void> {
    await unlink(this.#file(digest)).catch(() => {});
  }

  /** Removes what is not in `keep`, and unfinished files. */
  async sweep(keep: ReadonlySet<Digest>): Promise<void> {
    for (const name of await readdir(this.#path)) {
      if (!keep.has(`sha256:${name}`)) await unlink(`${this.#path}/${name}`).catch(() => {});
    }
  }
}
