import { messageOf } from '@gantry/errors';
import type { Log } from '../log.ts';
import type { Given } from './command-line.ts';
import { type DaemonConfig, loadConfig, reloadable } from './config.ts';

/**
 * Reads daemon.json again and takes over what may change while the daemon runs; the rest stays as it is.
 * A file that is wrong changes nothing.
 */
export function reloadedConfig(now: DaemonConfig, given: Given, log: Log): DaemonConfig {
  let read: DaemonConfig;
  try {
    read = loadConfig(given);
  } catch (error) {
    log.error(`the configuration was not reloaded: ${messageOf(error)}`);
    return now;
  }
  const taken = Object.fromEntries(reloadable.map(key => [key, read[key]]));
  const next: DaemonConfig = { ...now, ...taken };
  log.setLevel(next.debug ? 'debug' : next.logLevel);
  const changed = reloadable.filter(key => JSON.stringify(now[key]) !== JSON.stringify(next[key]));
  log.info(`reloaded configuration: ${changed.length === 0 ? 'nothing has changed' : changed.join(', ')}`);
  return next;
}
