import type { RestartPolicy } from './documents/index.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** A run at least this long counts as a success: the next delay is the first one again. */
const LONG_RUN_MS = 10_000;

/** Decides whether and when a container that ended is started again. Lives from one start by a person to the next. */
export class RestartDecider {
  #delayMs = 0;
  #restarts: number;
  #cancelled = false;

  /** @param restarts how often the policy has restarted the container already */
  constructor(restarts = 0) {
    this.#restarts = restarts;
  }

  /** A person stopped the container: no restart until a person starts it. */
  cancel(): void {
    this.#cancelled = true;
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The delay before the next start, or undefined to stay down. */
  next(
    policy: RestartPolicy,
    ended: { readonly exitCode: number; readonly manuallyStopped: boolean; readonly ranMs: number },
  ): number | undefined {
    if (this.#cancelled) return undefined;
    if (!shouldRestart(policy, ended, this.#restarts)) return undefined;
    this.#delayMs =
      ended.ranMs >= LONG_RUN_MS || this.#delayMs === 0
        ? FIRST_DELAY_MS
        : Math.min(this.#delayMs * 2, LONGEST_DELAY_MS);
    this.#restarts++;
    return this.#delayMs;
  }
}

/** What the policy says of a container that ended so, `restarts` restarts after its last start by a person. */
export function shouldRestart(
  policy: RestartPolicy,
  ended: { readonly exitCode: number; readonly manuallyStopped: boolean },
  restarts: number,
): boolean {
  switch (policy.Name) {
    case 'always':
      return true;
    case 'unless-stopped':
      return !ended.manuallyStopped;
    case 'on-failure':
      return ended.exitCode !== 0 && (policy.MaximumRetryCount === 0 || restarts < policy.MaximumRetryCount);
    default:
      return false;
  }
}
