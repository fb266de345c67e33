import { cancelled } from '@gantry/errors';
import type { StoredImage, TransferProgress } from '../face.ts';

type Shared = {
  readonly listeners: Set<TransferProgress>;
  readonly controller: AbortController;
  /** The latest message of each layer and each plain line, for those who come later. */
  readonly messages: Map<string, Parameters<TransferProgress>[0]>;
  readonly result: Promise<StoredImage>;
  waiting: number;
};

/** Lets clients that pull the same image at the same time share one transfer, which ends when none waits any more. */
export class SharedPulls {
  readonly #running = new Map<string, Shared>();

  /** @param key the same for pulls that may share: reference, platform and credentials */
  async run(
    key: string,
    progress: TransferProgress,
    signal: AbortSignal,
    start: (progress: TransferProgress, signal: AbortSignal) => Promise<StoredImage>,
  ): Promise<StoredImage> {
    if (signal.aborted) throw cancelled('the transfer was cancelled');
    const known = this.#running.get(key);
    const shared = known ?? this.#start(key, start);
    if (known) for (const message of known.messages.values()) progress(message);
    shared.listeners.add(progress);
    shared.waiting += 1;
    let leave = (): void => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(cancelled('the transfer was cancelled'));
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([shared.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      shared.listeners.delete(progress);
      shared.waiting -= 1;
      if (shared.waiting === 0) {
        // The next pull of the same image starts afresh, and nothing is left when this returns.
        this.#running.delete(key);
        shared.controller.abort();
        await shared.result.catch(() => {});
      }
    }
  }

  #start(key: string, start: (progress: TransferProgress, signal: AbortSignal) => Promise<StoredImage>): Shared {
    const listeners = new Set<TransferProgress>();
    const messages: Shared['messages'] = new Map();
    const controller = new AbortController();
    const tell: TransferProgress = message => {
      messages.set(message.progressDetail ? `layer ${message.id}` : `line ${messages.size}`, message);
      for (const listener of listeners) listener(message);
    };
    // Begins in the next turn, when its first listener is there.
    const result = Promise.resolve().then(() => start(tell, controller.signal));
    const shared: Shared = { listeners, controller, messages, result, waiting: 0 };
    this.#running.set(key, shared);
    const forget = (): void => {
      if (this.#running.get(key) === shared) this.#running.delete(key);
    };
    result.then(forget, forget);
    return shared;
  }
}
