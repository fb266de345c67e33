import { invalidParameter, systemError } from '@gantry/errors';
import { atoi, GoNumberError, parseUint32 } from './number.ts';

/** The values of a request's query, read by the rules of Go's net/url and dockerd's form functions. */
export type Query = {
  /** The first value of a key, empty when there is none. */
  get(key: string): string;
  all(key: string): readonly string[];
  has(key: string): boolean;
  /** False when missing, empty, or one of 0, no, false, none. */
  bool(key: string): boolean;
  boolOr(key: string, missing: boolean): boolean;
};

/** @throws invalidParameter for a semicolon or a broken percent escape, as Go's url.ParseQuery */
export function parseQuery(text: string): Query {
  const values = new Map<string, string[]>();
  if (text !== '') {
    for (const pair of text.split('&')) {
      if (pair === '') continue;
      if (pair.includes(';')) throw invalidParameter('invalid semicolon separator in query');
      const equals = pair.indexOf('=');
      const key = unescapeValue(equals < 0 ? pair : pair.slice(0, equals));
      const value = equals < 0 ? '' : unescapeValue(pair.slice(equals + 1));
      const list = values.get(key);
      if (list) list.push(value);
      else values.set(key, [value]);
    }
  }
  const get = (key: string): string => values.get(key)?.[0] ?? '';
  const bool = (key: string): boolean => !falseWords.has(get(key).trim().toLowerCase());
  return {
    get,
    bool,
    all: key => values.get(key) ?? [],
    has: key => values.has(key),
    boolOr: (key, missing) => (values.has(key) ? bool(key) : missing),
  };
}

const falseWords = new Set(['', '0', 'no', 'false', 'none']);

function unescapeValue(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  const broken = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(spaced);
  if (broken) throw invalidParameter(`invalid URL escape ${JSON.stringify(broken[0])}`);
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Percent escapes that are no UTF-8: Go keeps the bytes, which no name or value of ours can contain.
    return Buffer.from(
      spaced.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    ).toString();
  }
}

/** An optional integer of the query. @throws system (dockerd answers 500) when it is no integer */
export function intOf(query: Query, key: string): number | undefined {
  const text = query.get(key);
  if (text === '') return undefined;
  try {
    return atoi(text);
  } catch (error) {
    if (error instanceof GoNumberError)
      throw systemError(`strconv.Atoi: parsing ${JSON.stringify(text)}: ${error.message}`);
    throw error;
  }
}

/** Height and width of a terminal. @throws invalidParameter `invalid resize height ...` */
export function sizeOf(query: Query): { rows: number; columns: number } {
  const read = (key: string, name: string): number => {
    try {
      return parseUint32(query.get(key));
    } catch (error) {
      if (!(error instanceof GoNumberError)) throw error;
      throw invalidParameter(`invalid resize ${name} ${JSON.stringify(query.get(key))}: ${error.message}`);
    }
  };
  return { rows: read('h', 'height'), columns: read('w', 'width') };
}

/**
 * A point in time as Docker's clients send it: seconds with an optional fraction, in nanoseconds since the epoch.
 * @returns undefined when the key is missing or empty
 * @throws system (dockerd answers 500) when it is no number
 */
export function timestampOf(query: Query, key: string): bigint | undefined {
  const text = query.get(key);
  if (text === '') return undefined;
  const dot = text.indexOf('.');
  const seconds = dot < 0 ? text : text.slice(0, dot);
  const fraction = dot < 0 ? '' : text.slice(dot + 1);
  for (const part of dot < 0 ? [seconds] : [seconds, fraction]) {
    if (!/^[+-]?\d+$/.test(part)) {
      throw systemError(`strconv.ParseInt: parsing ${JSON.stringify(part)}: invalid syntax`);
    }
  }
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9) || '0');
}
