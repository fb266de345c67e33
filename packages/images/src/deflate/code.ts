/**
 * What both directions of a deflate stream share: its codes, and the way through its headers.
 * @see RFC 1951, RFC 1952
 */

/** Why a blob is not one that can be taken apart: no gzip, damaged, or odd. It is kept whole then. */
export class OddStream extends Error {}

export const END_OF_BLOCK = 256;
export const FIRST_LENGTH = 257;
export const MIN_MATCH = 3;
export const MAX_MATCH = 258;
export const MAX_DISTANCE = 32768;

/** The shortest match of each length symbol from 257 on, and the bits that follow it. */
export const LENGTH_BASE = Uint16Array.of(
  ...[
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
  ],
);
export const LENGTH_EXTRA = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0],
);
/** The same of distances. */
export const DISTANCE_BASE = Uint16Array.of(
  ...[
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  ],
  ...[8193, 12289, 16385, 24577],
);
export const DISTANCE_EXTRA = Uint8Array.of(
  ...[0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13],
);

/** Symbol of a match's length, without 257. */
export const LENGTH_SYMBOL = symbols(LENGTH_BASE, MAX_MATCH);
/** Symbol of a distance. */
export const DISTANCE_SYMBOL = symbols(DISTANCE_BASE, MAX_DISTANCE);

function symbols(base: Uint16Array, last: number): Uint8Array {
  const table = new Uint8Array(last + 1);
  for (let value = base[0] ?? 0, symbol = 0; value <= last; value++) {
    while ((base[symbol + 1] ?? last + 1) <= value) symbol++;
    table[value] = symbol;
  }
  return table;
}

const MAX_BITS = 15;
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Bits of each symbol's code; 0 for one that does not occur. */
export type CodeLengths = Uint8Array;

const FIXED_LITERALS = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
const FIXED_DISTANCES = new Uint8Array(30).fill(5);

/** Calls back with each symbol that occurs and its code, the first bit of the stream lowest. */
function forEachCode(lengths: CodeLengths, on: (symbol: number, code: number, bits: number) => void): void {
  const next = new Uint16Array(MAX_BITS + 2);
  for (const bits of lengths) if (bits > 0) next[bits + 1] = (next[bits + 1] ?? 0) + 1;
  for (let bits = 1; bits <= MAX_BITS + 1; bits++) next[bits] = ((next[bits - 1] ?? 0) + (next[bits] ?? 0)) << 1;
  lengths.forEach((bits, symbol) => {
    if (bits === 0) return;
    const code = next[bits] ?? 0;
    next[bits] = code + 1;
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((code >> bit) & 1) << (bits - 1 - bit);
    on(symbol, reversed, bits);
  });
}

/** For each value of the next `bits` bits the symbol that they begin with, times 16, plus the length of its code. */
export type DecodingTable = { readonly bits: number; readonly entries: Uint16Array };

export function decodingTable(lengths: CodeLengths): DecodingTable {
  const bits = lengths.reduce((most, length) => Math.max(most, length), 1);
  const entries = new Uint16Array(1 << bits);
  forEachCode(lengths, (symbol, code, length) => {
    for (let index = code; index < entries.length; index += 1 << length) entries[index] = (symbol << 4) | length;
  });
  return { bits, entries };
}

/** For each symbol its code times 16, plus the code's length. */
export function encodingTable(lengths: CodeLengths, symbolCount: number): Uint32Array {
  const table = new Uint32Array(symbolCount);
  forEachCode(lengths, (symbol, code, length) => {
    table[symbol] = (code << 4) | length;
  });
  return table;
}

/** Takes so many bits, 16 at most, of the stream. */
export type TakeBits = (count: number) => number;

export type Block =
  | { readonly kind: 'stored'; readonly isLast: boolean; readonly bytes: number }
  | {
      readonly kind: 'coded';
      readonly isLast: boolean;
      readonly literals: CodeLengths;
      readonly distances: CodeLengths;
    };

/**
 * Goes through the header of a block.
 * @param align goes on to the next whole byte
 * @throws OddStream
 */
export function takeBlockHeader(take: TakeBits, align: () => void): Block {
  const isLast = take(1) === 1;
  switch (take(2)) {
    case 0: {
      align();
      const bytes = take(16);
      if ((bytes ^ take(16)) !== 0xffff) throw new OddStream('a stored block contradicts itself');
      return { kind: 'stored', isLast, bytes };
    }
    case 1:
      return { kind: 'coded', isLast, literals: FIXED_LITERALS, distances: FIXED_DISTANCES };
    case 2:
      return { kind: 'coded', isLast, ...takeCodeLengths(take) };
    default:
      throw new OddStream('there is no block of type 3');
  }
}

function takeCodeLengths(take: TakeBits): { readonly literals: CodeLengths; readonly distances: CodeLengths } {
  const literalCount = take(5) + 257;
  const distanceCount = take(5) + 1;
  const codeCount = take(4) + 4;
  const codeLengths = new Uint8Array(19);
  for (const symbol of CODE_LENGTH_ORDER.slice(0, codeCount)) codeLengths[symbol] = take(3);
  const symbol = symbolReader(codeLengths, take);
  const lengths = new Uint8Array(literalCount + distanceCount);
  for (let at = 0; at < lengths.length; ) {
    const next = symbol();
    if (next < 16) {
      lengths[at++] = next;
      continue;
    }
    if (next === 16 && at === 0) throw new OddStream('a code repeats the length of none');
    const value = next === 16 ? (lengths[at - 1] ?? 0) : 0;
    const times = next === 16 ? 3 + take(2) : next === 17 ? 3 + take(3) : 11 + take(7);
    if (at + times > lengths.length) throw new OddStream('there are more codes than announced');
    lengths.fill(value, at, at + times);
    at += times;
  }
  return { literals: lengths.subarray(0, literalCount), distances: lengths.subarray(literalCount) };
}

/** Reads symbols bit by bit: for the few of a header. */
function symbolReader(lengths: CodeLengths, take: TakeBits): () => number {
  const symbolOf = new Map<number, number>();
  forEachCode(lengths, (symbol, code, bits) => symbolOf.set((code << 4) | bits, symbol));
  return () => {
    for (let bits = 1, code = 0; bits <= 7; bits++) {
      code |= take(1) << (bits - 1);
      const symbol = symbolOf.get((code << 4) | bits);
      if (symbol !== undefined) return symbol;
    }
    throw new OddStream('a code of code lengths is not in the table');
  };
}

/** Goes through the header of a gzip member. @throws OddStream */
export function takeGzipHeader(take: TakeBits): void {
  const isGzip = take(8) === 0x1f && take(8) === 0x8b && take(8) === 8;
  if (!isGzip) throw new OddStream('this is no gzip');
  const flags = take(8);
  for (let byte = 0; byte < 6; byte++) take(8);
  if (flags & 4) for (let left = take(16); left > 0; left--) take(8);
  for (const field of [8, 16]) {
    if ((flags & field) !== 0) while (take(8) !== 0);
  }
  if (flags & 2) take(16);
}

/** Checksum and length behind a member's deflate data. */
export function takeGzipTrailer(take: TakeBits): void {
  for (let half = 0; half < 4; half++) take(16);
}
