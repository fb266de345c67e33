import { randomUUID } from 'node:crypto';
import { cancelled } from '@gantry/errors';

export type Span = { readonly name: string; readonly startMs: number; endMs: number | undefined };

export type JobOutcome = 'running' | 'done' | 'failed';

/** One operation of the engine: what it does, since when, whether somebody still wants it, and where its time went. */
export class Job {
  readonly id: string = randomUUID();
  /** The verb, as `container.start`. */
  readonly verb: string;
  /** What the verb acts on: a container id, an image reference. */
  readonly object: string;
  readonly startMs: number = performance.now();
  readonly spans: Span[] = [];
  #signal: AbortSignal | undefined;
  endMs: number | undefined;
  outcome: JobOutcome = 'running';
  error: unknown;

  constructor(verb: string, object: string, signal?: AbortSignal) {
    this.verb = verb;
    this.object = object;
    this.#signal = signal;
  }

  /** Aborted when nobody waits for this job any more. */
  get signal(): AbortSignal {
    this.#signal ??= new AbortController().signal;
    return this.#signal;
  }

  /** Times `work` as a span of this job. */
  async span<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const span: Span = { name, startMs: performance.now(), endMs: undefined };
    this.spans.push(span);
    try {
      return await work();
    } finally {
      span.endMs = performance.now();
    }
  }

  /** @throws cancelled when nobody waits for this job any more */
  throwIfCancelled(): void {
    if (this.#signal?.aborted) throw cancelled(`${this.verb} ${this.object}: cancelled`);
  }
}

/** The jobs that run now, and a bounded number of those that ended, newest last. */
export class JobLog {
  readonly #running = new Set<Job>();
  readonly #ended: Job[] = [];
  readonly #keep: number;

  constructor(keep = 256) {
    this.#keep = keep;
  }

  get running(): ReadonlySet<Job> {
    return this.#running;
  }

  get ended(): readonly Job[] {
    return this.#ended;
  }

  /** Runs `work` as a job and records how it ended. */
  async run<T>(verb: string, object: string, work: (job: Job) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const job = new Job(verb, object, signal);
    this.#running.add(job);
    try {
      const result = await work(job);
      job.outcome = 'done';
      return result;
    } catch (error) {
      job.outcome = 'failed';
      job.error = error;
      throw error;
    } finally {
      job.endMs = performance.now();
      this.#running.delete(job);
      this.#ended.push(job);
      if (this.#ended.length > this.#keep) this.#ended.shift();
    }
  }
}
