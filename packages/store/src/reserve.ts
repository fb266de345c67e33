import { randomBytes } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** More than the log ever holds between two checkpoints. */
const SIZE_BYTES = 4 * 1024 * 1024;
/** While the reserve is given up, this often it is looked whether there is room for it again. */
const RETAKE_MS = 1000;

const random = promisify<number, Buffer>(randomBytes);

/**
 * Disk space that is kept for a file beside it: on a full disk it is given up, so that what frees room (removing a
 * container, an image) can still be written down.
 */
export class DiskReserve implements Disposable {
  readonly #path: string;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Gives the space up. @returns whether there was any */
  release(): boolean {
    if (!this.#held()) return false;
    rmSync(this.#path, { force: true });
    this.#takeLater();
    return true;
  }

  /** Takes the space unless it is taken; on a disk that is full it is tried again later. */
  async take(): Promise<void> {
    if (this.#closed || this.#held()) return;
    const temporary = `${this.#path}.new`;
    try {
      const { bavail, bsize } = await statfs(dirname(this.#path));
      // Not the last room of all: someone may be about to use it.
      if (bavail * bsize < 2 * SIZE_BYTES) throw new Error('no room');
      // Random, since a file system may keep zeros without any space.
      await writeFile(temporary, await random(SIZE_BYTES), { mode: 0o600 });
      if (this.#closed) await rm(temporary, { force: true });
      else await rename(temporary, this.#path);
    } catch {
      await rm(temporary, { force: true }).catch(() => {});
      this.#takeLater();
    }
  }

  #takeLater(): void {
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.take();
    }, RETAKE_MS).unref();
  }

  #held(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false }) !== undefined;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
