/**
 * A stack of cleanups for what must be undone only on failure: each step pushes its undo, `commit` forgets them all,
 * and leaving the scope without a commit runs them in reverse.
 *
 * ```ts
 * await using undo = new CleanupStack();
 * await layers.create(id); undo.push('remove the layer', () => layers.remove(id));
 * undo.commit();
 * ```
 */
export class CleanupStack implements AsyncDisposable {
  readonly #steps: { readonly what: string; readonly run: () => unknown }[] = [];
  readonly #onError: (what: string, error: unknown) => void;

  /** @param onError told about a cleanup that failed itself; the others still run */
  constructor(onError: (what: string, error: unknown) => void = () => {}) {
    this.#onError = onError;
  }

  push(what: string, run: () => unknown): void {
    this.#steps.push({ what, run });
  }

  commit(): void {
    this.#steps.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.run();
      } catch (error) {
        this.#onError(step.what, error);
      }
    }
  }
}
