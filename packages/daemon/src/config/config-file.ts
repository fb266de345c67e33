import { readFileSync } from 'node:fs';
import { messageOf } from '@gantry/errors';
import type { Given } from './command-line.ts';
import { keyOf, settings } from './settings.ts';
import { ConfigError, fromFile, type Value } from './values.ts';

/** Keys that hold other keys: their contents count as keys of the file. */
const groups = ['proxies'];
/** A host may be named on the command line and in the file only once, but these may be in both. */
const mayRepeat = new Set<string>();

/**
 * Reads daemon.json: its values by flag name.
 * @param required whether the file was asked for by name, so that it must exist
 * @throws ConfigError for unknown keys, and for what is given on the command line as well
 */
export function readConfigFile(path: string, required: boolean, given: Given): ReadonlyMap<string, Value> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\ufeff/, '');
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw problem(path, `open ${path}: ${reason(error)}`);
  }
  if (text.trim() === '') return new Map();
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw problem(path, messageOf(error));
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw problem(path, 'it is no JSON object');
  }
  const entries = Object.entries(document).flatMap(([key, value]) =>
    groups.includes(key) && typeof value === 'object' && value !== null
      ? Object.entries(value)
      : [[key, value] as const],
  );
  return readEntries(path, entries, given);
}

function readEntries(
  path: string,
  entries: readonly (readonly [string, unknown])[],
  given: Given,
): ReadonlyMap<string, Value> {
  const byKey = new Map(settings.map(setting => [keyOf(setting), setting]));
  const unknown: string[] = [];
  const conflicts: string[] = [];
  const values = new Map<string, Value>();
  for (const [key, value] of entries) {
    const setting = byKey.get(key);
    if (!setting || setting.flag === 'config-file') {
      unknown.push(key);
      continue;
    }
    const flagged = given.get(setting.flag);
    if (flagged && !mayRepeat.has(key)) {
      const flagText = setting.kind === 'list' ? `[${flagged.join(' ')}]` : flagged.at(-1);
      conflicts.push(`${key}: (from flag: ${flagText}, from file: ${fileText(value)})`);
      continue;
    }
    values.set(setting.flag, fromFile(setting, value));
  }
  if (unknown.length > 0) {
    throw problem(path, `the following directives don't match any configuration option: ${unknown.join(', ')}`);
  }
  if (conflicts.length > 0) {
    throw problem(
      path,
      `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(', ')}`,
    );
  }
  return values;
}

function problem(path: string, text: string): Error {
  return new ConfigError(`unable to configure the Gantry daemon with file ${path}: ${text}`);
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file or directory';
  return code === 'EACCES' ? 'permission denied' : messageOf(error);
}

function fileText(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(' ')}]` : typeof value === 'object' ? JSON.stringify(value) : `${value}`;
}
