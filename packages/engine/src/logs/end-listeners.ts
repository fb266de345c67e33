type Listeners = { over: boolean; readonly waiting: Set<() => void> };

const known = new WeakMap<Promise<void>, Listeners>();

/**
 * Calls `listener` when `ended` settles, unless the returned function is called first. A reaction to a promise cannot be
 * taken back, and a container may run for years while readers of its log come and go: so there is one for all of them.
 */
export function onceEnded(ended: Promise<void>, listener: () => void): () => void {
  let listeners = known.get(ended);
  if (!listeners) {
    const made: Listeners = { over: false, waiting: new Set() };
    listeners = made;
    known.set(ended, made);
    const settle = (): void => {
      made.over = true;
      for (const waiting of made.waiting) waiting();
      made.waiting.clear();
    };
    ended.then(settle, settle);
  }
  const { over, waiting } = listeners;
  if (over) queueMicrotask(listener);
  else waiting.add(listener);
  return () => waiting.delete(listener);
}
