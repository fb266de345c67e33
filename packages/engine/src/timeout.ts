/** Timers take no more; it is 24 days. */
const LONGEST_MS = 0x7fff_ffff;

/** Whether `event` comes within `timeoutMs`; undefined waits for ever. */
export async function timeout(event: Promise<unknown>, timeoutMs: number | undefined): Promise<boolean> {
  if (timeoutMs === undefined) {
    await event;
    return true;
  }
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, Math.min(timeoutMs, LONGEST_MS), false);
  try {
    return await Promise.race([event.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}
