import { isGantryError } from '@gantry/errors';
import type { ImageStore } from '@gantry/images';
import type { JobLog } from '@gantry/jobs';

export type CondenserOptions = {
  readonly images: Pick<ImageStore, 'blobsToCondense' | 'condense'>;
  readonly jobs: JobLog;
  /** How long nothing must have been transferred; 0 for never. */
  readonly afterMs: number;
  readonly onError: (what: string, error: unknown) => void;
};

/**
 * Makes the disk that images take smaller while nobody transfers any: the compressed blob beside a pulled layer is replaced by
 * what is needed to make it again. One at a time, and stopped as soon as a transfer begins.
 */
export class ImageCondenser implements AsyncDisposable {
  readonly #options: CondenserOptions;
  #transfers = 0;
  #timer: NodeJS.Timeout | undefined;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** What failed once is told once, and not tried again by this engine. */
  readonly #failed = new Set<string>();

  constructor(options: CondenserOptions) {
    this.#options = options;
  }

  /** To be called once the engine is open: an earlier one may have left something to do. */
  start(): void {
    const { afterMs } = this.#options;
    if (afterMs === 0 || this.#isClosed || this.#transfers > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#stop = new AbortController();
      this.#running = this.#condense(this.#stop.signal);
    }, afterMs).unref();
  }

  /** Nothing is condensed while `transfer` runs. */
  async during<T>(transfer: () => Promise<T>): Promise<T> {
    this.#transfers += 1;
    this.#pause();
    try {
      return await transfer();
    } finally {
      this.#transfers -= 1;
      this.start();
    }
  }

  async #condense(signal: AbortSignal): Promise<void> {
    const { images, onError } = this.#options;
    try {
      for (const digest of await images.blobsToCondense()) {
        if (signal.aborted) return;
        if (!this.#failed.has(digest)) await this.#condenseOne(digest, signal);
      }
    } catch (error) {
      onError('look for blobs of images to condense', error);
    }
  }

  async #condenseOne(digest: string, signal: AbortSignal): Promise<void> {
    const { images, jobs, onError } = this.#options;
    try {
      await jobs.run('image.condense', digest, () => images.condense(digest, signal), signal);
    } catch (error) {
      if (isGantryError(error, 'cancelled')) return;
      this.#failed.add(digest);
      onError(`condense the blob ${digest} of an image`, error);
    }
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#pause();
    await this.#running;
  }
}
