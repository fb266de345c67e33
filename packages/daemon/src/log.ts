import { writeSync } from 'node:fs';
import type { LogLevel } from './config/config.ts';

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'fatal'];

/** The daemon's log: one line a message on standard error, in the form of dockerd's. */
export type Log = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string, error?: unknown): void;
  error(message: string, error?: unknown): void;
  setLevel(level: LogLevel): void;
};

export function createLog(format: 'text' | 'json', level: LogLevel): Log {
  let lowest = levels.indexOf(level);
  const write = (at: LogLevel, message: string, error?: unknown): void => {
    if (levels.indexOf(at) < lowest) return;
    const detail = error === undefined || message.includes(errorText(error)) ? '' : errorText(error);
    const stack = lowest === 0 && error instanceof Error ? error.stack : undefined;
    const fields = { time: new Date().toISOString(), level: at === 'warn' ? 'warning' : at, msg: message };
    emit(
      format === 'json'
        ? JSON.stringify({ ...fields, ...(detail && { error: detail }), ...(stack && { stack }) })
        : `time="${fields.time}" level=${fields.level} msg=${quote(message)}${detail && ` error=${quote(detail)}`}${stack ? `\n${stack}` : ''}`,
    );
  };
  return {
    debug: message => write('debug', message),
    info: message => write('info', message),
    warn: (message, error) => write('warn', message, error),
    error: (message, error) => write('error', message, error),
    setLevel: next => {
      lowest = levels.indexOf(next);
    },
  };
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** Nobody may be reading any more; the daemon goes on without a log then. */
function emit(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // EAGAIN of a full pipe, EPIPE of one without a reader.
  }
}
