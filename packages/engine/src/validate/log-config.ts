import { GantryError, invalidParameter, notImplemented } from '@gantry/errors';
import { parseSize } from '@gantry/oci';
import type { LogTarget } from '@gantry/runtime';
import type { EngineDefaults } from '../defaults.ts';
import type { LogConfig } from '../documents/index.ts';

/** Drivers that dockerd has built in and Gantry does not yet. */
const UNBUILT = ['local', 'syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk', 'gcplogs', 'etwlogs'];
const JSON_FILE_OPTIONS = ['max-file', 'max-size', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const DEFAULT_MAX_SIZE_BYTES = 10 * 1000 * 1000;
const DEFAULT_MAX_FILES = 3;

/**
 * Completes a log configuration with the daemon's defaults, and checks driver and option names.
 * @throws invalidParameter for what dockerd refuses, notImplemented for what it has and Gantry has not
 */
export function prepareLogConfig(given: LogConfig, daemon: EngineDefaults): LogConfig {
  const Type = given.Type || daemon.logDriver;
  const Config: Record<string, string> = { ...(Type === daemon.logDriver ? daemon.logOptions : {}), ...given.Config };
  if (Type === 'none') return { Type, Config };
  const mode = Config.mode ?? '';
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalidParameter(`logger: logging mode not supported: ${mode}`);
  }
  if (Config['max-buffer-size'] !== undefined && mode !== 'non-blocking') {
    throw invalidParameter("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  if (UNBUILT.includes(Type)) {
    throw notImplemented(`the log driver ${Type} is not built yet`, { hint: 'use json-file or none' });
  }
  if (Type !== 'json-file') {
    throw invalidParameter(`error looking up logging plugin ${Type}: plugin ${JSON.stringify(Type)} not found`);
  }
  for (const name of Object.keys(Config)) {
    if (name === 'mode' || name === 'max-buffer-size' || JSON_FILE_OPTIONS.includes(name)) continue;
    throw invalidParameter(`unknown log opt '${name}' for json-file log driver`);
  }
  if (mode === 'non-blocking') throw notImplemented('log option mode=non-blocking is not built yet');
  for (const name of ['labels', 'labels-regex', 'env', 'env-regex', 'tag']) {
    if (Config[name]) throw notImplemented(`log option ${name} of json-file is not built yet`);
  }
  if (/^(1|t|T|true|TRUE|True)$/.test(Config.compress ?? '')) {
    throw notImplemented('log option compress of json-file is not built yet');
  }
  return { Type, Config };
}

/**
 * Where a container's output goes. Without options a json-file log is rotated at 10 MB and three files are kept
 * (dockerd: never rotated); with max-size alone one file is kept, as in dockerd.
 * @throws system when max-size or max-file has no usable value
 */
export function logTarget(config: LogConfig, path: string): LogTarget {
  if (config.Type === 'none') return { driver: 'none' };
  const failed = (reason: string): GantryError =>
    new GantryError('system', `failed to create task for container: failed to initialize logging driver: ${reason}`);
  const options = config.Config ?? {};
  let maxSizeBytes = DEFAULT_MAX_SIZE_BYTES;
  let maxFiles = options['max-size'] === undefined ? DEFAULT_MAX_FILES : 1;
  if (options['max-size'] !== undefined) {
    const size = parseSize(options['max-size'], 1000);
    if (typeof size === 'string') throw failed(size);
    if (size <= 0) throw failed('max-size must be a positive number');
    maxSizeBytes = size;
  }
  const files = options['max-file'];
  if (files !== undefined) {
    if (!/^[+-]?\d+$/.test(files)) throw failed(`strconv.Atoi: parsing ${JSON.stringify(files)}: invalid syntax`);
    if (Number(files) < 1) throw failed('max-file cannot be less than 1');
    maxFiles = Number(files);
  }
  return { driver: 'json-file', path, maxSizeBytes, maxFiles };
}
