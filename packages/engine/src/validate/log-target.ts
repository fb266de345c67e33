import { GantryError } from '@gantry/errors';
import { parseSize } from '@gantry/oci';
import type { LogTarget } from '@gantry/runtime';
import type { LogConfig } from '../documents/index.ts';
import { goBoolean } from './go-boolean.ts';
import { logAttributes } from './log-attributes.ts';
import type { LogSubject } from './log-tag.ts';

type Options = Readonly<Record<string, string>>;
type Rotation = { readonly maxSizeBytes: number; readonly maxFiles: number; readonly compress: boolean };

const DEFAULT_MAX_SIZE_BYTES = 10 * 1000 * 1000;
const DEFAULT_MAX_FILES = 3;
const LOCAL_MAX_SIZE_BYTES = 20 * 1000 * 1000;
const LOCAL_MAX_FILES = 5;
/** What a non-blocking log may lag behind unless `max-buffer-size` says otherwise. */
const DEFAULT_BUFFER_BYTES = 1000 * 1000;

const failed = (reason: string): GantryError => new GantryError('system', reason);

/**
 * Where a container's output goes, for a configuration that `prepareLogConfig` has checked.
 * @throws system with dockerd's words when an option has no usable value
 */
export function logTarget(config: LogConfig, path: string, subject?: LogSubject): LogTarget {
  if (config.Type === 'none') return { driver: 'none' };
  const options = config.Config ?? {};
  const local = config.Type === 'local';
  const rotation = local ? localRotation(options) : jsonFileRotation(options);
  const attributes = subject && !local ? logAttributes(options, subject, path, failed) : undefined;
  return {
    driver: 'json-file',
    path,
    ...rotation,
    ...(local ? { raw: true } : {}),
    ...(options.mode === 'non-blocking' ? { bufferBytes: bufferBytes(options) } : {}),
    ...(attributes === undefined ? {} : { attributes }),
  };
}

function bufferBytes(options: Options): number {
  const size = parseSize(options['max-buffer-size'] ?? '', 1024);
  return typeof size === 'number' ? size : DEFAULT_BUFFER_BYTES;
}

/**
 * Without options a json-file log is rotated at 10 MB and three files are kept (dockerd: never rotated); with max-size
 * alone one file is kept, as in dockerd.
 */
function jsonFileRotation(options: Options): Rotation {
  const given = options['max-size'];
  let maxSizeBytes = DEFAULT_MAX_SIZE_BYTES;
  if (given !== undefined) {
    const size = parseSize(given, 1000);
    if (typeof size === 'string') throw failed(size);
    if (size <= 0) throw failed('max-size must be a positive number');
    maxSizeBytes = size;
  }
  let maxFiles = given === undefined ? DEFAULT_MAX_FILES : 1;
  if (options['max-file'] !== undefined) {
    maxFiles = integer(options['max-file'], '');
    if (maxFiles < 1) throw failed('max-file cannot be less than 1');
  }
  const compress = boolean(options.compress, '') ?? false;
  if (compress && maxFiles < 2) {
    throw failed('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { maxSizeBytes, maxFiles, compress };
}

function localRotation(options: Options): Rotation {
  const given = options['max-size'];
  let maxSizeBytes = LOCAL_MAX_SIZE_BYTES;
  if (given !== undefined) {
    const size = parseSize(given, 1000);
    if (typeof size === 'string') throw failed(`invalid value for max-size: ${given}: ${size}`);
    // No size at all: each line has a file, as in dockerd.
    maxSizeBytes = Math.max(size, 1);
  }
  const count = options['max-file'];
  const maxFiles = count === undefined ? LOCAL_MAX_FILES : integer(count, `invalid value for max-file: ${count}: `);
  const compress = boolean(options.compress, 'error reading compress log option: ') ?? true;
  if (maxFiles < 0) throw failed('max file count cannot be less than 0');
  if (compress && maxFiles < 2) throw failed('compression cannot be enabled when max file count is 1');
  return { maxSizeBytes, maxFiles: Math.max(maxFiles, 1), compress };
}

function integer(text: string, before: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw failed(`${before}strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function boolean(text: string | undefined, before: string): boolean | undefined {
  if (text === undefined) return undefined;
  const value = goBoolean(text);
  if (value === undefined) throw failed(`${before}strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}
