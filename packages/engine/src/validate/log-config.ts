import { GantryError, invalidParameter, notImplemented } from '@gantry/errors';
import { parseSize } from '@gantry/oci';
import type { LogTarget } from '@gantry/runtime';
import type { EngineDefaults } from '../defaults.ts';
import type { LogConfig } from '../documents/index.ts';
import { type LogSubject, logAttributes } from './log-attributes.ts';

/** Drivers that dockerd has built in and Gantry does not yet. */
const UNBUILT = ['syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk', 'gcplogs', 'etwlogs'];
const JSON_FILE_OPTIONS = ['max-file', 'max-size', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const DEFAULT_MAX_SIZE_BYTES = 10 * 1000 * 1000;
const DEFAULT_MAX_FILES = 3;
const LOCAL_OPTIONS = ['max-file', 'max-size', 'compress'];
const LOCAL_MAX_SIZE_BYTES = 20 * 1000 * 1000;
const LOCAL_MAX_FILES = 5;

/** As Go's strconv.ParseBool reads them. */
const TRUE = /^(?:1|[tT]|true|TRUE|True)$/;
const FALSE = /^(?:0|[fF]|false|FALSE|False)$/;

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
    throw notImplemented(`the log driver ${Type} is not built yet`, { hint: 'use json-file, local or none' });
  }
  if (Type !== 'json-file' && Type !== 'local') {
    throw invalidParameter(`error looking up logging plugin ${Type}: plugin ${JSON.stringify(Type)} not found`);
  }
  for (const name of Object.keys(Config)) {
    const known = Type === 'local' ? LOCAL_OPTIONS : JSON_FILE_OPTIONS;
    if (name === 'mode' || name === 'max-buffer-size' || known.includes(name)) continue;
    throw invalidParameter(`unknown log opt '${name}' for ${Type} log driver`);
  }
  if (mode === 'non-blocking') throw notImplemented('log option mode=non-blocking is not built yet');
  if (TRUE.test(Config.compress ?? '')) {
    throw notImplemented('log option compress is not built yet');
  }
  return { Type, Config };
}

/**
 * Where a container's output goes. Without options a json-file log is rotated at 10 MB and three files are kept
 * (dockerd: never rotated); with max-size alone one file is kept, as in dockerd.
 * @throws system when max-size, max-file or compress has no usable value
 */
export function logTarget(config: LogConfig, path: string, subject?: LogSubject): LogTarget {
  if (config.Type === 'none') return { driver: 'none' };
  const failed = (reason: string): GantryError =>
    new GantryError('system', `failed to create task for container: failed to initialize logging driver: ${reason}`);
  const options = config.Config ?? {};
  const local = config.Type === 'local';
  let maxSizeBytes = local ? LOCAL_MAX_SIZE_BYTES : DEFAULT_MAX_SIZE_BYTES;
  let maxFiles = local ? LOCAL_MAX_FILES : options['max-size'] === undefined ? DEFAULT_MAX_FILES : 1;
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
  const { compress } = options;
  if (compress !== undefined && !TRUE.test(compress) && !FALSE.test(compress)) {
    throw failed(
      `${local ? 'error reading compress log option: ' : ''}strconv.ParseBool: parsing ${JSON.stringify(compress)}: invalid syntax`,
    );
  }
  const attributes = subject && !local ? logAttributes(options, subject, failed) : undefined;
  return { driver: 'json-file', path, maxSizeBytes, maxFiles, ...(attributes === undefined ? {} : { attributes }) };
}
