import type { WaitCondition } from '../engine.ts';
import type { Container } from './container.ts';
import type { WaitResult } from './waiters.ts';

/** Resolves at once with a promise of the exit; the condition counts from now on. */
export function waitForContainer(
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<WaitResult> {
  switch (condition) {
    case 'not-running':
      return container.isUp ? container.stopped.next(signal) : Promise.resolve(container.waitResult());
    case 'next-exit':
      return container.stopped.next(signal);
    case 'removed':
      return container.removed.next(signal);
  }
}
