import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobLog } from '@gantry/jobs';

/** Writes what the daemon does right now (jobs, with their spans; stacks; memory) to a file, and returns its path. */
export function dumpState(directory: string, jobs: JobLog | undefined): string {
  const now = new Date();
  const path = join(directory, `gantry-dump-${now.toISOString().replaceAll(':', '')}.json`);
  const nowMs = performance.now();
  const describe = (job: NonNullable<typeof jobs> extends { ended: readonly (infer J)[] } ? J : never): object => ({
    id: job.id,
    verb: job.verb,
    object: job.object,
    outcome: job.outcome,
    durationMs: (job.endMs ?? nowMs) - job.startMs,
    spans: job.spans.map(span => ({
      name: span.name,
      afterMs: span.startMs - job.startMs,
      durationMs: (span.endMs ?? nowMs) - span.startMs,
    })),
    ...(job.error === undefined ? {} : { error: String(job.error) }),
  });
  const report: unknown = process.report?.getReport();
  const { javascriptStack, nativeStack, libuv, resourceUsage } = (report ?? {}) as Record<string, unknown>;
  writeFileSync(
    path,
    JSON.stringify(
      {
        time: now.toISOString(),
        pid: process.pid,
        running: [...(jobs?.running ?? [])].map(describe),
        ended: (jobs?.ended ?? []).map(describe),
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
  return path;
}
