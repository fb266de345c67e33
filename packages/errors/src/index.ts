/** What kind of failure an error is; the API maps each kind to one HTTP status (api/src/errors.ts). */
export type ErrorKind =
  | 'notFound'
  | 'conflict'
  | 'invalidParameter'
  | 'unauthorized'
  | 'forbidden'
  | 'unavailable'
  | 'notImplemented'
  | 'notModified'
  | 'cancelled'
  | 'system';

export type ErrorDetails = {
  /** What the user can do next, one sentence without a final full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** The exit status that `docker run` shows for this failure: 125 to 128. */
  readonly exitCode?: number;
};

/**
 * The one error class of the house: a message with the wording that Docker's clients and scripts match on,
 * a kind, and a hint for a person.
 */
export class GantryError extends Error {
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GantryError';
    this.kind = kind;
    this.hint = details.hint;
    this.exitCode = details.exitCode;
  }
}

const of =
  (kind: ErrorKind) =>
  (message: string, details?: ErrorDetails): GantryError =>
    new GantryError(kind, message, details);

export const notFound = of('notFound');
export const conflict = of('conflict');
export const invalidParameter = of('invalidParameter');
export const unauthorized = of('unauthorized');
export const forbidden = of('forbidden');
export const unavailable = of('unavailable');
export const notImplemented = of('notImplemented');
/** The request asks for the state that already holds (start of a running container): HTTP 304. */
export const notModified = of('notModified');
export const cancelled = of('cancelled');
export const systemError = of('system');

/** Tells whether `error` is a {@link GantryError}, of `kind` when one is given. */
export function isGantryError(error: unknown, kind?: ErrorKind): error is GantryError {
  return error instanceof GantryError && (kind === undefined || error.kind === kind);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
