import { cancelled } from '@gantry/errors';

/** The chunks that the main thread sends for a task, with a signal back for each that was used up. */
export class TaskInput {
  readonly #chunks: Buffer[] = [];
  readonly #onUsed: (bytes: number) => void;
  #ended = false;
  #aborted = false;
  #wake: (() => void) | undefined;

  constructor(onUsed: (bytes: number) => void) {
    this.#onUsed = onUsed;
  }

  add(bytes: Uint8Array): void {
    this.#chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
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

  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      this.check();
      const chunk = this.#chunks.shift();
      if (chunk) {
        yield chunk;
        this.#onUsed(chunk.length);
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
