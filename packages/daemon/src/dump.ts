import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describeJob, type Engine } from '@gantry/engine';

/** Measures from the first dump on, so that a daemon that nobody asks pays nothing. */
let loopDelay: ReturnType<typeof monitorEventLoopDelay> | undefined;

/** Delays of the event loop since the last dump, in milliseconds; undefined at the first. */
function takeLoopDelay(): Record<'p50' | 'p99' | 'max', number> | undefined {
  if (!loopDelay) {
    loopDelay = monitorEventLoopDelay({ resolution: 1 });
    loopDelay.enable();
    return undefined;
  }
  // The histogram counts the timer's own interval of 1 ms.
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - 1);
  const taken = { p50: ms(loopDelay.percentile(50)), p99: ms(loopDelay.percentile(99)), max: ms(loopDelay.max) };
  loopDelay.reset();
  return taken;
}

/** Writes what the daemon does right now (jobs, with their spans; logs that lose lines; stacks; memory) to a file, and returns its path. */
export function dumpState(directory: string, { jobs, system }: Pick<Engine, 'jobs' | 'system'>): string {
  const now = new Date();
  const path = join(directory, `gantry-dump-${now.toISOString().replaceAll(':', '')}.json`);
  // Else every socket's address would be looked up in DNS, and the daemon would wait for that.
  Object.assign(process.report ?? {}, { excludeNetwork: true });
  const report: unknown = process.report?.getReport();
  const { javascriptStack, nativeStack, libuv, resourceUsage } = (report ?? {}) as Record<string, unknown>;
  writeFileSync(
    `${path}.new`,
    JSON.stringify(
      {
        time: now.toISOString(),
        pid: process.pid,
        running: [...jobs.running].map(describeJob),
        ended: jobs.ended.map(describeJob),
        lostLogLines: system.lostLogLines(),
        loopDelayMs: takeLoopDelay(),
        memory: process.memoryUsage(),
        resources: process.getActiveResourcesInfo(),
        javascriptStack,
        nativeStack,
        libuv,
        resourceUsage,
      },
      undefined,
      2,
    ),
    { mode: 0o600 },
  );
  renameSync(`${path}.new`, path);
  return path;
}
