import { invalidParameter, notImplemented } from '@gantry/errors';
import { parseSize } from '@gantry/oci';
import type { EngineDefaults } from '../defaults.ts';
import type { LogConfig } from '../documents/index.ts';
import { goBoolean } from './go-boolean.ts';

/** Drivers that dockerd has built in and Gantry does not yet. */
const UNBUILT = ['syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk'];
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'json-file': ['max-file', 'max-size', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'],
  local: ['max-file', 'max-size', 'compress'],
};
/** Every driver takes these; the local copy that `cache-*` is about is what json-file and local are anyway. */
const COMMON = ['mode', 'max-buffer-size', 'cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];

/**
 * Completes a log configuration with the daemon's defaults, and checks driver and options.
 * @throws invalidParameter for what dockerd refuses, notImplemented for what it has and Gantry has not
 */
export function prepareLogConfig(given: LogConfig, daemon: EngineDefaults): LogConfig {
  const Type = given.Type || daemon.logDriver;
  const defaults = Type === daemon.logDriver ? daemon.logOptions : cacheOptions(daemon.logOptions);
  const Config: Record<string, string> = { ...defaults, ...given.Config };
  checkLogOptions(Type, Config);
  return { Type, Config };
}

/**
 * Checks a log driver and its options by name, as dockerd does when a container is made and when it starts.
 * @throws invalidParameter for what dockerd refuses, notImplemented for a driver that it has and Gantry has not
 */
export function checkLogOptions(driver: string, options: Readonly<Record<string, string>>): void {
  if (driver === 'none') return;
  const mode = options.mode ?? '';
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalidParameter(`logger: logging mode not supported: ${mode}`);
  }
  const buffer = options['max-buffer-size'];
  if (buffer !== undefined) {
    if (mode !== 'non-blocking') {
      throw invalidParameter("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    }
    const size = parseSize(buffer, 1024);
    if (typeof size === 'string') throw invalidParameter(`error parsing option max-buffer-size: ${size}`);
  }
  const cache = options['cache-disabled'];
  if (cache && goBoolean(cache) === undefined)
    throw invalidParameter(`invalid value for option cache-disabled: ${cache}`);
  if (UNBUILT.includes(driver)) {
    throw notImplemented(`the log driver ${driver} is not built yet`, { hint: 'use json-file, local or none' });
  }
  const known = Object.hasOwn(OPTIONS, driver) ? OPTIONS[driver] : undefined;
  if (!known) {
    throw invalidParameter(`error looking up logging plugin ${driver}: plugin ${JSON.stringify(driver)} not found`);
  }
  for (const name of Object.keys(options)) {
    if (COMMON.includes(name) || known.includes(name)) continue;
    const where = driver === 'local' ? `log driver ${driver}` : `${driver} log driver`;
    throw invalidParameter(`unknown log opt '${name}' for ${where}`);
  }
}

/** Those of the daemon's options that count for every driver. */
function cacheOptions(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name.startsWith('cache-')));
}
