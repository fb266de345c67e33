/** What a pull's time goes into. */
export type SpanName =
  /** Behind other layers, or for a thread. */
  | 'queue'
  /** The registry's name is looked up. */
  | 'name'
  /** TCP, and TLS on top. */
  | 'connect'
  /** The token server. */
  | 'token'
  /** From the request to the first byte of its answer. */
  | 'answer'
  /** For bytes from the network. */
  | 'download'
  | 'decompress'
  | 'hash'
  | 'write'
  /** Making it durable and visible. */
  | 'commit';

/** Told of a time span, by the clock of performance.now(). */
export type Tracer = (name: SpanName, startMs: number, endMs: number) => void;

/** One layer, or what came before and after the layers (`digest` empty). */
export type TracedPart = {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Since the pull began. */
  startMs: number;
  endMs: number;
  /** Milliseconds by name. Of things that overlap (download and decompress) each counts in full. */
  readonly spans: Partial<Record<SpanName, number>>;
};

/** Where the time of one pull went. */
export type PullTrace = { readonly totalMs: number; readonly registry: string; readonly parts: readonly TracedPart[] };

/** Collects the spans of one pull. */
export class TraceRecorder {
  readonly #beginMs = performance.now();
  readonly #parts = new Map<string, TracedPart>();

  /** A tracer for one part; the part ends with its last span. */
  part(digest: string, sizeBytes = 0): Tracer {
    const known = this.#parts.get(digest);
    const nowMs = performance.now() - this.#beginMs;
    const part = known ?? { digest, sizeBytes, startMs: nowMs, endMs: nowMs, spans: {} };
    this.#parts.set(digest, part);
    return (name, startMs, endMs) => {
      part.spans[name] = (part.spans[name] ?? 0) + Math.max(endMs - startMs, 0);
      part.endMs = Math.max(part.endMs, performance.now() - this.#beginMs);
    };
  }

  /** @param registry the host that the bytes came from */
  result(registry: string): PullTrace {
    const round = (ms: number): number => Math.round(ms * 100) / 100;
    const parts = [...this.#parts.values()].map(part => ({
      ...part,
      startMs: round(part.startMs),
      endMs: round(part.endMs),
      spans: Object.fromEntries(Object.entries(part.spans).map(([name, ms]) => [name, round(ms)])),
    }));
    return { totalMs: round(performance.now() - this.#beginMs), registry, parts };
  }
}
