import { type FSWatcher, watch } from 'node:fs';

/** Tells when something in a directory has changed, without polling; changes between two waits are not lost. */
export class ChangeSignal implements Disposable {
  readonly #watcher: FSWatcher;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(directory: string) {
    this.#watcher = watch(directory, { persistent: false }, () => this.raise());
    this.#watcher.on('error', () => this.raise());
  }

  /** Ends the wait that is under way, or the next one at once. */
  raise(): void {
    this.#changed = true;
    this.#wake?.();
  }

  async wait(): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
