import { cancelled } from '@gantry/errors';

export type WaitResult = { readonly StatusCode: number; readonly Error?: { readonly Message: string } };

/** Those who wait for one kind of news about a container. */
export class Waiters {
  readonly #waiting = new Set<(result: WaitResult) => void>();

  /** Resolves with the next result. @throws cancelled when `signal` aborts first */
  next(signal?: AbortSignal): Promise<WaitResult> {
    return new Promise((resolve, reject) => {
      const done = (result: WaitResult): void => {
        signal?.removeEventListener('abort', abort);
        resolve(result);
      };
      const abort = (): void => {
        this.#waiting.delete(done);
        reject(cancelled('wait: cancelled'));
      };
      if (signal?.aborted) {
        reject(cancelled('wait: cancelled'));
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(done);
    });
  }

  notify(result: WaitResult): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const done of waiting) done(result);
  }
}
