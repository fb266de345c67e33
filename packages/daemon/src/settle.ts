import { Session } from 'node:inspector';

/** After the last client of a start, usually: those who started the daemon ask for something at once. */
const QUIET_MS = 1500;
/** An engine that is never idle has use for its memory. */
const TRIES = 20;

/**
 * Collects once what the start has left (sources, code that was read and not run, a third of the idle engine), as soon as no job
 * runs. V8 itself would wait for allocations, which an idle engine does not make. The pause, some 30 ms, falls on nobody.
 */
export function settleWhenIdle(isIdle: () => boolean, tries = TRIES): void {
  setTimeout(() => {
    if (isIdle()) collectGarbage();
    else if (tries > 1) settleWhenIdle(isIdle, tries - 1);
  }, QUIET_MS).unref();
}

/** By the inspector's protocol inside the process: no port, and no flag of V8, which the compile cache would be void with. */
function collectGarbage(): void {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.collectGarbage', () => session.disconnect());
}
