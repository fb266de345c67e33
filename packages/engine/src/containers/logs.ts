import { Readable } from 'node:stream';
import { invalidParameter, notImplemented } from '@gantry/errors';
import type { LogsOptions } from '../engine.ts';
import { readLogs } from '../logs/index.ts';
import { logTarget } from '../validate/log-target.ts';
import type { Container } from './container.ts';

/** The container's log as a client gets it. @throws invalidParameter, system (an option without a usable value), notImplemented when its driver keeps nothing to read */
export function openLogs(
  container: Container,
  options: LogsOptions,
  signal: AbortSignal,
): { tty: boolean; body: Readable } {
  if (!options.stdout && !options.stderr) throw invalidParameter('You must choose at least one stream');
  const { config, hostConfig } = container.document;
  if (hostConfig.LogConfig.Type === 'none') {
    throw notImplemented('configured logging driver does not support reading');
  }
  const tty = config.Tty;
  const path = container.facts.logPath;
  if (path === '') {
    // It never got so far: what its start is refused for, its log is too.
    logTarget(hostConfig.LogConfig, path);
    return { tty, body: Readable.from([]) };
  }
  const { run, facts } = container;
  const begun = facts.startedNs !== undefined;
  return {
    tty,
    body: readLogs({ path, tty, options, begun, running: run ? { ended: run.ended } : undefined }, signal),
  };
}
