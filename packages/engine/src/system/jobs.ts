import type { Job } from '@gantry/jobs';
import type { EngineContext } from '../context.ts';
import type { JobDocument } from '../documents/index.ts';
import type { Filters } from '../engine.ts';
import { checkFilters, matchesExactly, matchesPrefix } from '../filters.ts';

/** A job as people and the API see it. */
export function describeJob(job: Job): JobDocument {
  const nowMs = performance.now();
  return {
    Id: job.id,
    Verb: job.verb,
    Object: job.object,
    Started: new Date(performance.timeOrigin + job.startMs).toISOString(),
    DurationMs: (job.endMs ?? nowMs) - job.startMs,
    Outcome: job.outcome,
    ...(job.error === undefined ? {} : { Error: String(job.error) }),
    Spans: job.spans.map(({ name, startMs, endMs }) => ({
      Name: name,
      AfterMs: startMs - job.startMs,
      DurationMs: (endMs ?? nowMs) - startMs,
    })),
  };
}

const KEYS: ReadonlySet<string> = new Set(['object', 'outcome', 'verb']);

/**
 * The jobs that run and the newest of those that ended, in the order of their start. Filters: `verb` and `object`, of which the
 * beginning is enough (an object may be a container's name too), and `outcome`.
 * @throws invalidParameter for another filter
 */
export function listJobs(context: EngineContext, filters: Filters): JobDocument[] {
  checkFilters(filters, KEYS);
  const objects = new Set([...(filters.get('object') ?? [])].map(ref => idOfContainer(context, ref) ?? ref));
  const wanted = new Map(filters).set('object', objects);
  return [...context.jobs.ended, ...context.jobs.running]
    .filter(
      ({ verb, outcome, object }) =>
        matchesPrefix(wanted, 'verb', verb) &&
        matchesExactly(wanted, 'outcome', outcome) &&
        matchesPrefix(wanted, 'object', object),
    )
    .sort((one, other) => one.startMs - other.startMs)
    .map(describeJob);
}

function idOfContainer(context: EngineContext, ref: string): string | undefined {
  try {
    return context.containers.find(ref).id;
  } catch {
    // It is gone, or something else.
    return undefined;
  }
}
