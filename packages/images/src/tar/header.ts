import { invalidParameter } from '@gantry/errors';
import { BLOCK, BROKEN_ARCHIVE, type ByteString, type SparseRegion } from './entry.ts';

/** The fields of one 512-byte header block. @see tar(5); GNU tar manual, "Basic Tar Format" */
export type HeaderBlock = {
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly modification: number;
  readonly typeFlag: string;
  readonly linkName: ByteString;
  readonly format: 'v7' | 'ustar' | 'gnu';
  readonly userName: ByteString;
  readonly groupName: ByteString;
  readonly major: number;
  readonly minor: number;
};

const invalid = (what: string): Error =>
  invalidParameter(`archive/tar: invalid tar header: ${what}`, { hint: BROKEN_ARCHIVE });

/** Tells whether a block is all zeros: two of them end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** Tells whether the block's checksum is right, counted with unsigned or, as old tars did, signed bytes. */
export function hasValidChecksum(block: Buffer): boolean {
  let unsigned = 256;
  let signed = 256;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = block[i] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const text = cut(block, 148, 8).trim();
  if (!/^[0-7]{1,8}$/.test(text)) return false;
  const stored = Number.parseInt(text, 8);
  return stored === unsigned || stored === signed;
}

/** Reads a header block. @throws invalidParameter when checksum or numbers are broken */
export function readHeader(block: Buffer): HeaderBlock {
  if (!hasValidChecksum(block)) throw invalid('wrong checksum');
  const magic = block.toString('latin1', 257, 265);
  const format = magic === 'ustar  \0' ? 'gnu' : magic.startsWith('ustar\0') ? 'ustar' : 'v7';
  const prefix = format === 'ustar' ? cut(block, 345, 155) : '';
  const name = cut(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8, 'mode'),
    uid: number(block, 108, 8, 'uid'),
    gid: number(block, 116, 8, 'gid'),
    sizeBytes: number(block, 124, 12, 'size'),
    modification: number(block, 136, 12, 'mtime'),
    typeFlag: String.fromCharCode(block[156] ?? 0),
    linkName: cut(block, 157, 100),
    format,
    userName: format === 'v7' ? '' : cut(block, 265, 32),
    groupName: format === 'v7' ? '' : cut(block, 297, 32),
    major: format === 'v7' ? 0 : number(block, 329, 8, 'devmajor'),
    minor: format === 'v7' ? 0 : number(block, 337, 8, 'devminor'),
  };
}

function cut(block: Buffer, at: number, length: number): ByteString {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end < 0 || end > at + length ? at + length : end);
}

/** Octal text, or base 256 when the first bit is set (GNU). */
function number(block: Buffer, at: number, length: number, what: string): number {
  const lead = block[at] ?? 0;
  if ((lead & 0x80) !== 0) {
    const negative = (lead & 0x40) !== 0;
    let value = BigInt(negative ? lead - 256 : lead & 0x7f);
    for (let i = at + 1; i < at + length; i++) value = value * 256n + BigInt(block[i] ?? 0);
    const small = Number(value);
    if (!Number.isSafeInteger(small) || (negative && what !== 'mtime')) throw invalid(what);
    return small;
  }
  const text = cut(block, at, length).replace(/^[ \0]+|[ \0]+$/g, '');
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw invalid(what);
  return Number.parseInt(text, 8);
}

/** The sparse table of an old GNU header ('S'): entries, the real size, and whether an extension block follows. */
export function readGnuSparse(block: Buffer): { regions: SparseRegion[]; realSize: number; extended: boolean } {
  return {
    regions: sparseTable(block, 386, 4),
    realSize: number(block, 483, 12, 'real size'),
    extended: block[482] !== 0,
  };
}

/** An extension block of an old GNU sparse table. */
export function readGnuSparseExtension(block: Buffer): { regions: SparseRegion[]; extended: boolean } {
  return { regions: sparseTable(block, 0, 21), extended: block[504] !== 0 };
}

function sparseTable(block: Buffer, at: number, count: number): SparseRegion[] {
  const regions: SparseRegion[] = [];
  for (let i = 0; i < count; i++) {
    const start = at + i * 24;
    if (block[start] === 0) break;
    regions.push({ offset: number(block, start, 12, 'sparse'), length: number(block, start + 12, 12, 'sparse') });
  }
  return regions;
}
