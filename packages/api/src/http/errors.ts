import { type ErrorKind, isGantryError } from '@gantry/errors';

const statusOf: Readonly<Record<ErrorKind, number>> = {
  notFound: 404,
  invalidParameter: 400,
  conflict: 409,
  unauthorized: 401,
  unavailable: 503,
  forbidden: 403,
  notModified: 304,
  notImplemented: 501,
  cancelled: 500,
  system: 500,
};

/** The HTTP status of whatever was thrown; 500 for what is none of ours. */
export function httpStatus(error: unknown): number {
  return isGantryError(error) ? statusOf[error.kind] : 500;
}
