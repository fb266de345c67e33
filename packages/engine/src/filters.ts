import { invalidParameter } from '@gantry/errors';
import { parseSize } from '@gantry/oci';
import type { Filters } from './engine.ts';

/** @throws invalidParameter for the first key that is not `accepted` */
export function checkFilters(filters: Filters, accepted: ReadonlySet<string>): void {
  for (const key of filters.keys()) if (!accepted.has(key)) throw invalidParameter(`invalid filter '${key}'`);
}

/** Whether `key` is absent, or one of its values is `value`. */
export function matchesExactly(filters: Filters, key: string, value: string): boolean {
  const values = filters.get(key);
  return values === undefined || values.size === 0 || values.has(value);
}

/** Like {@link matchesExactly}, or one of the values is a prefix of `value`. */
export function matchesPrefix(filters: Filters, key: string, value: string): boolean {
  if (matchesExactly(filters, key, value)) return true;
  for (const prefix of filters.get(key) ?? []) if (value.startsWith(prefix)) return true;
  return false;
}

const compiled = new Map<string, RegExp | undefined>();

function pattern(source: string): RegExp | undefined {
  if (!compiled.has(source)) {
    if (compiled.size >= 256) compiled.clear();
    let expression: RegExp | undefined;
    try {
      expression = new RegExp(source, 'u');
    } catch {
      expression = undefined;
    }
    compiled.set(source, expression);
  }
  return compiled.get(source);
}

/** Like {@link matchesExactly}, or one of the values is a regular expression that matches a part of `value`. */
export function matchesPattern(filters: Filters, key: string, value: string): boolean {
  if (matchesExactly(filters, key, value)) return true;
  for (const source of filters.get(key) ?? []) if (pattern(source)?.test(value)) return true;
  return false;
}

/** Whether each value of `key`, `name` or `name=value`, is among `pairs`. */
export function matchesPairs(
  filters: Filters,
  key: string,
  pairs: Readonly<Record<string, string>> | null | undefined,
): boolean {
  for (const wanted of filters.get(key) ?? []) {
    const equals = wanted.indexOf('=');
    const name = equals < 0 ? wanted : wanted.slice(0, equals);
    if (!pairs || !Object.hasOwn(pairs, name)) return false;
    if (equals >= 0 && pairs[name] !== wanted.slice(equals + 1)) return false;
  }
  return true;
}

/** The labels rule of prune: `label` must match, `label!` must not. */
export function matchesPruneLabels(filters: Filters, labels: Readonly<Record<string, string>> | null): boolean {
  if (!matchesPairs(filters, 'label', labels)) return false;
  return !filters.has('label!') || filters.get('label!')?.size === 0 || !matchesPairs(filters, 'label!', labels);
}

/** The one boolean value of `key`. @throws invalidParameter unless it is true, 1, false or 0 */
export function booleanFilter(filters: Filters, key: string, absent: boolean): boolean {
  const values = filters.get(key);
  if (values === undefined) return absent;
  const no = values.has('0') || values.has('false');
  const yes = values.has('1') || values.has('true');
  if (no === yes) {
    throw invalidParameter(
      values.size === 0 ? `invalid filter '${key}'` : `invalid filter '${key}=[${[...values].join(' ')}]'`,
    );
  }
  return yes;
}

const GO_UNITS: Record<string, number> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 };

/** `1h30m` to nanoseconds; undefined when it is not one of Go's durations. */
export function parseGoDuration(text: string): bigint | undefined {
  if (!/^[+-]?(\d+(\.\d*)?(h|ms|m|s|us|µs|ns))+$/u.test(text)) return undefined;
  let total = 0;
  for (const [, amount = '0', unit = 's'] of text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)/gu)) {
    total += Number(amount) * (GO_UNITS[unit] ?? 0);
  }
  return BigInt(Math.round(text.startsWith('-') ? -total : total));
}

function single(filters: Filters, key: string): string | undefined {
  const values = [...(filters.get(key) ?? [])];
  if (values.length > 1) throw invalidParameter(`more than one ${key} filter specified`);
  return values[0];
}

/** A length of time, as `720h`, in nanoseconds. @throws invalidParameter */
export function durationFilter(filters: Filters, key: string): bigint | undefined {
  const value = single(filters, key);
  if (value === undefined) return undefined;
  const duration = parseGoDuration(value);
  if (duration === undefined || duration < 0n) {
    throw invalidParameter(`invalid filter '${key}=${value}'`, { hint: 'give a length of time, as 720h' });
  }
  return duration;
}

/** A number of bytes, as `10GB`. @throws invalidParameter */
export function sizeFilter(filters: Filters, key: string): number | undefined {
  const value = single(filters, key);
  if (value === undefined) return undefined;
  const size = parseSize(value, 1000);
  if (typeof size === 'string') throw invalidParameter(size, { hint: `give ${key} a size, as 10GB` });
  return size;
}

/** The `until` of prune filters: a Unix time, an RFC 3339 time, or a length of time back from now. */
export function untilFilter(filters: Filters, nowNanoseconds: bigint): bigint | undefined {
  const values = [...(filters.get('until') ?? [])];
  if (values.length === 0) return undefined;
  if (values.length > 1) throw invalidParameter('more than one until filter specified');
  const [value = ''] = values;
  const back = parseGoDuration(value);
  if (back !== undefined) return nowNanoseconds - back;
  if (/^\d+(\.\d{1,9})?$/.test(value)) {
    const [seconds = '0', fraction = ''] = value.split('.');
    return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  }
  const parsed = Date.parse(value);
  if (Number.isNaN(parsed)) throw invalidParameter(`failed to parse value as time or duration: "${value}"`);
  return BigInt(parsed) * 1_000_000n;
}
