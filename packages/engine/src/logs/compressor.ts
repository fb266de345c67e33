import { compressRotated } from './compress.ts';

/** A log whose files are rotated away faster than they can be compressed is left alone for so long. */
const OVERTAKEN_MS = 1000;

/** Compresses what the logs of containers were rotated to: one file at a time, whatever their number. */
export class LogCompressor implements AsyncDisposable {
  readonly #waiting = new Set<string>();
  readonly #overtaken = new Map<string, NodeJS.Timeout>();
  readonly #ended = new AbortController();
  readonly #failed: (path: string, error: unknown) => void;
  #work: Promise<void> | undefined;

  /** @param failed is told of a log that could not be compressed; its files stay as they are until the next rotation */
  constructor(failed: (path: string, error: unknown) => void) {
    this.#failed = failed;
  }

  /** Looks for rotated files of the log at `path`, soon. */
  add(path: string): void {
    if (this.#ended.signal.aborted || this.#overtaken.has(path)) return;
    this.#waiting.add(path);
    this.#work ??= this.#run();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.#work;
  }

  async #run(): Promise<void> {
    for (const path of this.#waiting) {
      this.#waiting.delete(path);
      try {
        if (!(await compressRotated(path, this.#ended.signal))) this.#retryLater(path);
      } catch (error) {
        this.#failed(path, error);
      }
    }
    this.#work = undefined;
  }

  #retryLater(path: string): void {
    if (this.#ended.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#overtaken.delete(path);
      this.add(path);
    }, OVERTAKEN_MS);
    this.#overtaken.set(path, timer.unref());
  }

  /** Leaves what is not done to the next engine. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#waiting.clear();
    for (const timer of this.#overtaken.values()) clearTimeout(timer);
    await this.#work;
  }
}
