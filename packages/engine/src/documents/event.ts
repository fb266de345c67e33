/** An event as `GET /events` sends it. */
export type EventMessage = {
  status?: string;
  id?: string;
  from?: string;
  Type: 'container' | 'image' | 'network' | 'volume' | 'daemon' | 'builder' | 'plugin';
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: 'local' | 'swarm';
  /** Seconds since the epoch. */
  time: number;
  /** Nanoseconds since the epoch; written to JSON as an integer without loss. */
  timeNano: bigint;
};

/** Progress of pull, load and import, as Docker's JSON stream has it. */
export type ProgressMessage = {
  status?: string;
  id?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number; start?: number; units?: string };
  stream?: string;
  error?: string;
  /** The hint is Gantry's own. */
  errorDetail?: { code?: number; message: string; hint?: string };
  aux?: unknown;
};
