/** An operation of the engine, and where its time went. */
export type JobDocument = {
  Id: string;
  /** `container.start`, `image.pull`. */
  Verb: string;
  /** What it acts on: a container's id, an image's reference; may be empty. */
  Object: string;
  /** RFC 3339. */
  Started: string;
  /** Until now for one that runs. */
  DurationMs: number;
  Outcome: 'running' | 'done' | 'failed';
  Error?: string;
  /** Named parts of it, which may overlap; times since its start. */
  Spans: { Name: string; AfterMs: number; DurationMs: number }[];
};

/** How a container came to run. */
export type StartExplanation = JobDocument & {
  /** The launch plan as it was executed, a system call or so each, in the order of their sections; times since the start of the job. */
  Steps: {
    /** By the shim before there is a process, the clone itself, by the shim beside the new process, by that process itself. */
    Section: 'prepare' | 'clone' | 'parent' | 'child';
    Step: string;
    AfterMs: number;
    DurationMs: number;
  }[];
};
