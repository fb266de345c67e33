import { cancelled } from '@gantry/errors';

/** The chunks that the main thread sends for a task, with a signal back for each that was used up. */
export class TaskInput {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  readonly #onUsed: (chunk: Uint8Array<ArrayBuffer>) => void;
  #ended = false;
  #aborted = false;
  #wake: (() => void) | undefined;

  constructor(onUsed: (chunk: Uint8Array<ArrayBuffer>) => void) {
    this.#onUsed = onUsed;
  }

  add(bytes: Uint8Array<ArrayBuffer>): void {
    this.#chunks.push(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  abort(): void {
    this.#aborted = true;
    this.#wake?.();
  }

  /** @throws cancelled when the task was aborted */
  check(): void {
    if (this.#aborted) throw cancelled('the transfer was cancelled');
  }

  /** What comes, in order. A chunk is valid until the next is asked for: its memory goes back to who sent it. */
  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      this.check();
      const chunk = this.#chunks.shift();
      if (chunk) {
        yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
        this.#onUsed(chunk);
      } else if (this.#ended) return;
      else {
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
