/** An answer of the engine with a status of 400 or more. */
export class ApiError extends Error {
  readonly status: number;
  /** What the user can do next, one sentence without a full stop, where the engine knows it; only Gantry sends hints. */
  readonly hint: string | undefined;

  /** @param message the engine's own text, without a prefix */
  constructor(status: number, message: string, hint?: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.hint = hint;
  }
}

/** No engine could be reached at a host. */
export class ConnectionError extends Error {
  /** The host as the user gave it, `unix:///run/gantry.sock`. */
  readonly host: string;
  /** The errno's name, `ENOENT`, `ECONNREFUSED`, `EACCES`; empty when the peer answered something else than HTTP. */
  readonly code: string;

  constructor(host: string, code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ConnectionError';
    this.host = host;
    this.code = code;
  }
}
