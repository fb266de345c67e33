import { BLOCK, type ByteString, type EntryType, padded } from './entry.ts';
import { writePax } from './pax.ts';

export type PlainMember = {
  readonly name: ByteString;
  readonly type: EntryType;
  readonly mode: number;
  readonly sizeBytes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkName?: ByteString;
  readonly major?: number;
  readonly minor?: number;
  /** Records for an extended header before this one; long names and big numbers are added by themselves. */
  readonly pax?: ReadonlyMap<ByteString, ByteString>;
};

const FLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardLink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const MAX_SIZE = 8 ** 11 - 1;
const MAX_ID = 8 ** 7 - 1;
const CHECKSUM_AT = 148;

/** The header of a member: ustar, with a PAX header before it for what does not fit. @see pax(1) */
export function plainHeader(member: PlainMember): Buffer {
  const pax = new Map(member.pax);
  const { name, linkName = '', uid = 0, gid = 0, sizeBytes } = member;
  const split = splitName(name);
  if (!split) pax.set('path', name);
  if (linkName.length > 100) pax.set('linkpath', linkName);
  if (sizeBytes > MAX_SIZE) pax.set('size', String(sizeBytes));
  if (uid > MAX_ID) pax.set('uid', String(uid));
  if (gid > MAX_ID) pax.set('gid', String(gid));
  if (member.mtime < 0 || member.mtime > MAX_SIZE) pax.set('mtime', String(member.mtime));
  const header = block(member, split ?? { prefix: '', name: name.slice(0, 100) }, FLAGS[member.type], sizeBytes);
  if (pax.size === 0) return header;
  const records = writePax([...pax].sort(([a], [b]) => (a < b ? -1 : 1)));
  const extension = { ...member, mode: 0o644, mtime: 0, uid: 0, gid: 0, linkName: '', major: 0, minor: 0 };
  const paxName = { prefix: '', name: `PaxHeaders.0/${name.slice(0, 80)}` };
  return Buffer.concat([block(extension, paxName, 'x', records.length), records, paddingAfter(records.length), header]);
}

/** Zeros up to the next whole block. */
export function paddingAfter(sizeBytes: number): Buffer {
  return Buffer.alloc(padded(sizeBytes) - sizeBytes);
}

/** The two zero blocks at the end. */
export function endOfArchive(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

function splitName(name: ByteString): { prefix: ByteString; name: ByteString } | undefined {
  if (name.length <= 100) return { prefix: '', name };
  for (let at = name.indexOf('/'); at >= 0 && at <= 155; at = name.indexOf('/', at + 1)) {
    const rest = name.length - at - 1;
    if (at > 0 && rest > 0 && rest <= 100) return { prefix: name.slice(0, at), name: name.slice(at + 1) };
  }
  return undefined;
}

/** Fields of fixed width one after the other, written at once. @see tar(5) */
function block(
  member: PlainMember,
  { prefix, name }: { prefix: ByteString; name: ByteString },
  flag: string,
  size: number,
): Buffer {
  const { mode, uid = 0, gid = 0, mtime, linkName = '', major = 0, minor = 0 } = member;
  const start = `${text(name, 100)}${octal(mode, 8)}${octal(uid, 8)}${octal(gid, 8)}${octal(size, 12)}${octal(mtime, 12)}`;
  const end = `${flag}${text(linkName, 100)}ustar\0${'00'}${text('', 64)}${octal(major, 8)}${octal(minor, 8)}${prefix}`;
  const header = Buffer.alloc(BLOCK);
  const length = header.write(`${start}${' '.repeat(8)}${end}`, 'latin1');
  let sum = 0;
  for (let at = 0; at < length; at++) sum += header[at] ?? 0;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM_AT, 'latin1');
  return header;
}

const text = (value: ByteString, length: number): string => value.slice(0, length).padEnd(length, '\0');

function octal(value: number, length: number): string {
  const fits = value >= 0 && value < 8 ** (length - 1);
  return `${(fits ? value : 0).toString(8).padStart(length - 1, '0')}\0`;
}
