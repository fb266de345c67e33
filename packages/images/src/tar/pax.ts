import { invalidParameter } from '@gantry/errors';
import type { file } from '@gantry/linux';
import { BROKEN_ARCHIVE, type ByteString, type SparseRegion } from './entry.ts';

const invalid = (): Error =>
  invalidParameter('archive/tar: invalid tar header: broken PAX record', { hint: BROKEN_ARCHIVE });

/** What an extended header says; later records of one key win. GNU's repeated sparse keys are gathered apart. */
export type PaxRecords = { readonly values: Map<ByteString, ByteString>; readonly sparseList: ByteString[] };

/** Reads `LENGTH KEY=VALUE\n` records. @see pax(1), "pax Extended Header" */
export function readPax(data: Buffer): PaxRecords {
  const text = data.toString('latin1');
  const values = new Map<ByteString, ByteString>();
  const sparseList: ByteString[] = [];
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at);
    const digits = text.slice(at, space);
    if (space < 0 || space - at > 10 || !/^[0-9]+$/.test(digits)) throw invalid();
    const end = at + Number(digits);
    if (end <= space + 1 || end > text.length || text[end - 1] !== '\n') throw invalid();
    const record = text.slice(space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals <= 0) throw invalid();
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (/^(path|linkpath|uname|gname)$/.test(key) && value.includes('\0')) throw invalid();
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') sparseList.push(value);
    else values.set(key, value);
    at = end;
  }
  return { values, sparseList };
}

/** A non-negative decimal. */
export function paxNumber(text: ByteString): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalid();
  return value;
}

/** Seconds with an optional fraction, possibly negative. */
export function paxTime(text: ByteString): file.FileTime {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (!match) throw invalid();
  const [, sign, whole = '0', fraction = ''] = match;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  const seconds = Number(whole);
  if (sign !== '-') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

/** The sparse table of GNU's PAX versions 0.0 (repeated keys) and 0.1 (one list), undefined when there is none. */
export function paxSparse({ values, sparseList }: PaxRecords): SparseRegion[] | undefined {
  const map = values.get('GNU.sparse.map');
  const numbers = map !== undefined ? map.split(',').filter(part => part !== '') : sparseList;
  if (map === undefined && sparseList.length === 0) return undefined;
  if (numbers.length % 2 !== 0) throw invalid();
  const regions: SparseRegion[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    regions.push({ offset: paxNumber(numbers[i] ?? ''), length: paxNumber(numbers[i + 1] ?? '') });
  }
  return regions;
}

/** Encodes records in the order given. */
export function writePax(records: Iterable<readonly [ByteString, ByteString]>): Buffer {
  let text = '';
  for (const [key, value] of records) {
    const rest = key.length + value.length + 3;
    let length = rest + String(rest).length;
    if (String(length).length !== String(rest).length) length = rest + String(length).length;
    text += `${length} ${key}=${value}\n`;
  }
  return Buffer.from(text, 'latin1');
}
