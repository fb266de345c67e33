import type { IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { cancelled } from '@gantry/errors';

const TRIES = 3;
/** A registry that asks for more patience than this is left alone: its answer says when to come again. */
const LONGEST_WAIT_MS = 10_000;
const FIRST_WAIT_MS = 300;

/** How long a Retry-After header asks to wait, in milliseconds; undefined when it says nothing. @see RFC 9110, 10.2.3 */
export function retryAfterMs(header: string | undefined, nowMs = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(date - nowMs, 0);
}

/**
 * Asks again, at most twice, where a registry answers that it has too much to do (429) or is out of order (5xx), after what
 * its Retry-After asks for, else after a short while that grows.
 */
export async function patiently(ask: () => Promise<IncomingMessage>, signal: AbortSignal): Promise<IncomingMessage> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask();
    const status = answer.statusCode ?? 0;
    const isBusy = status === 429 || (status >= 500 && status !== 501);
    if (!isBusy || attempt === TRIES) return answer;
    const ms = retryAfterMs(answer.headers['retry-after']) ?? FIRST_WAIT_MS * 4 ** (attempt - 1);
    if (ms > LONGEST_WAIT_MS) return answer;
    answer.resume();
    await wait(ms, undefined, { signal }).catch(() => {});
    if (signal.aborted) throw cancelled('the transfer was cancelled');
  }
}
