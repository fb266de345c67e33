import { Readable } from 'node:stream';
import { INPUT_BYTES, INPUT_WINDOW, type ToWorker } from './tasks.ts';

/**
 * Sends a source to a thread, never more than a window ahead of what the thread has used. What comes while the thread is busy is
 * gathered, so that many small pieces cost few messages; the memory of the chunks goes there and back.
 */
export class Feed {
  readonly #send: (message: ToWorker, transfer: ArrayBuffer[]) => void;
  readonly #onUsed: (bytes: number) => void;
  readonly #spare: ArrayBuffer[] = [];
  #gathering: Uint8Array<ArrayBuffer> | undefined;
  #gathered = 0;
  #ahead = 0;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(send: (message: ToWorker, transfer: ArrayBuffer[]) => void, onUsed: (bytes: number) => void = () => {}) {
    this.#send = send;
    this.#onUsed = onUsed;
  }

  /** The thread has used a chunk up. */
  used(bytes: number, memory: ArrayBuffer | undefined): void {
    this.#ahead -= 1;
    if (memory) this.#spare.push(memory);
    this.#onUsed(bytes);
    if (this.#ahead === 0 && !this.#stopped) this.#flush();
    this.#wake?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Sends all of `source`, and that it has ended. @throws what the source throws */
  async from(source: AsyncIterable<Uint8Array>): Promise<void> {
    // A stream is its owner's: a request whose body was not read to the end can still be answered.
    const pieces = source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source;
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        while (this.#ahead >= INPUT_WINDOW && !this.#stopped) {
          await new Promise<void>(resolve => {
            this.#wake = resolve;
          });
        }
        if (this.#stopped) return;
        at += this.#gather(at === 0 ? piece : piece.subarray(at));
      }
      if (this.#ahead === 0) this.#flush(); // the thread has nothing to do
    }
    if (this.#stopped) return;
    this.#flush();
    this.#send({ type: 'end' }, []);
  }

  /** Takes what has room, and returns how much that was. */
  #gather(piece: Uint8Array): number {
    const chunk = this.#gathering ?? new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(INPUT_BYTES));
    this.#gathering = chunk;
    const taken = Math.min(piece.length, chunk.length - this.#gathered);
    chunk.set(taken === piece.length ? piece : piece.subarray(0, taken), this.#gathered);
    this.#gathered += taken;
    if (this.#gathered === chunk.length) this.#flush();
    return taken;
  }

  #flush(): void {
    const chunk = this.#gathering;
    if (!chunk) return;
    this.#send({ type: 'chunk', bytes: chunk.subarray(0, this.#gathered) }, [chunk.buffer]);
    this.#gathering = undefined;
    this.#gathered = 0;
    this.#ahead += 1;
  }
}
