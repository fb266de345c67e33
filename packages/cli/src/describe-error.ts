import { ApiError, ConnectionError } from '@gantry/client';
import type { Values } from './flags/parse.ts';

/** What a person is told about an error of a command, with Docker's wording and what to do next. */
export function describe(error: unknown, globals: Values): string {
  if (error instanceof ApiError) return withHint(`Error response from daemon: ${error.message}`, error.hint);
  if (error instanceof ConnectionError) return withAdvice(error);
  if (!(error instanceof Error)) return String(error);
  return globals.on('debug') ? (error.stack ?? error.message) : error.message;
}

/** Puts the engine's hint on a line of its own below the text of an error. */
export function withHint(text: string, hint: string | undefined): string {
  return hint ? `${text}\nHint: ${hint}` : text;
}

function withAdvice(error: ConnectionError): string {
  if (process.getuid?.() === 0 || !error.host.startsWith('unix://')) return error.message;
  if (error.code === 'EACCES') {
    return `${error.message}\nThe socket belongs to root: put sudo before the command, or join the group that owns the socket.`;
  }
  return `${error.message}\nOnly root can start an engine: put sudo before the command, or name a running one with GANTRY_HOST.`;
}
