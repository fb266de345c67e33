/** An answer of the engine with a status of 400 or more. */
export class ApiError extends Error {
  readonly status: number;

  /** @param message the engine's own text, without a prefix */
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
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
