import { invalidParameter } from '@gantry/errors';
import { BLOCK, type ByteString, type EntryType, padded, type SparseRegion, type TarEntry } from './entry.ts';
import { type HeaderBlock, isZeroBlock, readGnuSparse, readGnuSparseExtension, readHeader } from './header.ts';
import { type PaxRecords, paxNumber, paxSparse, paxTime, readPax } from './pax.ts';

/** Told what the parser finds, in the order of the archive, synchronously. */
export interface TarHandler {
  /** The next member. `data` and then `end` follow for a file that carries bytes. */
  entry(entry: TarEntry): void;
  /** Bytes of the current file, which belong at `offset`. */
  data(bytes: Buffer, offset: number): void;
  /** The current member is complete (called for every entry). */
  end(): void;
  /** Every byte of the archive that is not a file's data, in order: headers, padding, the end. */
  literal?(bytes: Buffer): void;
}

/** No extended header may be larger (the bound of Go's archive/tar). */
const MAX_EXTENSION_BYTES = 1024 * 1024;
const MAX_SPARSE_REGIONS = 1_000_000;

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardLink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

type State =
  | { readonly kind: 'header' }
  | {
      readonly kind: 'gather';
      readonly typeFlag: string;
      readonly size: number;
      readonly parts: Buffer[];
      gathered: number;
    }
  | {
      readonly kind: 'gnuSparse';
      readonly header: HeaderBlock;
      readonly regions: SparseRegion[];
      readonly realSize: number;
    }
  | { readonly kind: 'paxSparse'; readonly header: HeaderBlock; text: string }
  | { readonly kind: 'data'; readonly regions: readonly SparseRegion[]; region: number; within: number }
  | { readonly kind: 'skip'; left: number }
  | { readonly kind: 'trailer' };

const HEADER: State = { kind: 'header' };

/**
 * Reads a tar archive pushed to it in pieces: v7, ustar, GNU (long names, sparse, base 256) and PAX (SCHILY.xattr,
 * GNU.sparse 0.0, 0.1, 1.0). The handler's methods run inside `push`.
 * With `withoutData` the archive lacks the files' bytes (a tar record): `data` is called with an empty buffer for each
 * region, and `missing` says how many bytes belong there.
 */
export class TarParser {
  readonly #handler: TarHandler;
  readonly #missing: ((offset: number, length: number) => void) | undefined;
  readonly #pending = Buffer.alloc(BLOCK);
  #pendingLength = 0;
  #state: State = HEADER;
  #zeroBlocks = 0;
  #pax: PaxRecords | undefined;
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  /** Padding after the current data. */
  #padding = 0;

  constructor(handler: TarHandler, missing?: (offset: number, length: number) => void) {
    this.#handler = handler;
    this.#missing = missing;
  }

  /** @throws invalidParameter when the archive is broken, and what the handler throws */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const state = this.#state;
      if (state.kind === 'data') at += this.#takeData(state, chunk, at);
      else if (state.kind === 'skip') {
        const n = Math.min(state.left, chunk.length - at);
        this.#handler.literal?.(chunk.subarray(at, at + n));
        state.left -= n;
        at += n;
        if (state.left === 0) this.#endOfEntry();
      } else if (state.kind === 'trailer') {
        this.#handler.literal?.(chunk.subarray(at));
        at = chunk.length;
      } else if (this.#pendingLength === 0 && chunk.length - at >= BLOCK) {
        this.#takeBlock(chunk.subarray(at, at + BLOCK));
        at += BLOCK;
      } else {
        const n = Math.min(BLOCK - this.#pendingLength, chunk.length - at);
        chunk.copy(this.#pending, this.#pendingLength, at, at + n);
        this.#pendingLength += n;
        at += n;
        if (this.#pendingLength === BLOCK) {
          this.#pendingLength = 0;
          this.#takeBlock(Buffer.from(this.#pending));
        }
      }
    }
  }

  /** Tells that nothing follows. @throws invalidParameter `unexpected EOF` when the archive is cut off */
  finish(): void {
    const between = this.#state.kind === 'header' && this.#pendingLength === 0 && this.#pax === undefined;
    if (!between && this.#state.kind !== 'trailer')
      throw invalidParameter('unexpected EOF', { hint: 'the archive is cut off' });
  }

  /** Whether the end that an archive has of its own has been read. */
  get complete(): boolean {
    return this.#state.kind === 'trailer';
  }

  #takeBlock(block: Buffer): void {
    this.#handler.literal?.(block);
    const state = this.#state;
    switch (state.kind) {
      case 'header':
        this.#takeHeader(block);
        break;
      case 'gather': {
        const n = Math.min(BLOCK, state.size - state.gathered);
        state.parts.push(Buffer.from(block.subarray(0, n)));
        state.gathered += n;
        if (state.gathered === state.size) this.#endOfExtension(state.typeFlag, Buffer.concat(state.parts));
        break;
      }
      case 'gnuSparse': {
        const { regions, extended } = readGnuSparseExtension(block);
        state.regions.push(...regions);
        if (state.regions.length > MAX_SPARSE_REGIONS) throw invalidParameter('archive/tar: sparse map too large');
        if (!extended) this.#startEntry(state.header, state.regions, state.realSize, state.header.sizeBytes);
        break;
      }
      case 'paxSparse':
        this.#takePaxSparse(state, block);
        break;
    }
  }

  #takeHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks === 2) this.#state = { kind: 'trailer' };
      return;
    }
    if (this.#zeroBlocks > 0) throw invalidParameter('archive/tar: invalid tar header: data after a zero block');
    const header = readHeader(block);
    const { typeFlag } = header;
    if (typeFlag === 'x' || typeFlag === 'g' || typeFlag === 'L' || typeFlag === 'K') {
      const size = header.sizeBytes;
      if (size > MAX_EXTENSION_BYTES) throw invalidParameter('archive/tar: header field too long');
      if (size === 0) this.#endOfExtension(typeFlag, Buffer.alloc(0));
      else this.#state = { kind: 'gather', typeFlag, size, parts: [], gathered: 0 };
      return;
    }
    if (typeFlag === 'S') {
      const { regions, realSize, extended } = readGnuSparse(block);
      if (extended) this.#state = { kind: 'gnuSparse', header, regions, realSize };
      else this.#startEntry(header, regions, realSize, header.sizeBytes);
      return;
    }
    const values = this.#pax?.values;
    if (values?.get('GNU.sparse.major') === '1' && values.get('GNU.sparse.minor') === '0') {
      this.#state = { kind: 'paxSparse', header, text: '' };
      return;
    }
    const regions = this.#pax && paxSparse(this.#pax);
    const carried = this.#carriedSize(header);
    const realSize = values?.get('GNU.sparse.size') ?? values?.get('GNU.sparse.realsize');
    this.#startEntry(header, regions, regions && realSize !== undefined ? paxNumber(realSize) : carried, carried);
  }

  #carriedSize(header: HeaderBlock): number {
    const size = this.#pax?.values.get('size');
    return size === undefined ? header.sizeBytes : paxNumber(size);
  }

  #endOfExtension(typeFlag: string, data: Buffer): void {
    this.#state = HEADER;
    if (typeFlag === 'x') this.#pax = readPax(data);
    else if (typeFlag === 'L') this.#longName = untilNul(data);
    else if (typeFlag === 'K') this.#longLink = untilNul(data);
    // A global header ('g') is skipped, as Docker does.
  }

  /** PAX sparse 1.0: decimal numbers, one a line, at the start of the data: a count, then pairs. */
  #takePaxSparse(state: { readonly header: HeaderBlock; text: string }, block: Buffer): void {
    state.text += block.toString('latin1');
    const carried = this.#carriedSize(state.header);
    if (state.text.length > Math.min(padded(carried), MAX_SPARSE_REGIONS * 16)) {
      throw invalidParameter('archive/tar: invalid sparse map');
    }
    const lines = state.text.split('\n');
    const count = lines.length > 1 ? paxNumber(lines[0] ?? '') : undefined;
    if (count === undefined || lines.length - 1 < 1 + 2 * count) return;
    const regions: SparseRegion[] = [];
    for (let i = 0; i < count; i++) {
      regions.push({ offset: paxNumber(lines[1 + 2 * i] ?? ''), length: paxNumber(lines[2 + 2 * i] ?? '') });
    }
    const realSize = this.#pax?.values.get('GNU.sparse.realsize') ?? '0';
    this.#startEntry(state.header, regions, paxNumber(realSize), carried - state.text.length);
  }

  #startEntry(header: HeaderBlock, regions: SparseRegion[] | undefined, sizeBytes: number, carried: number): void {
    const values = this.#pax?.values;
    const name = values?.get('GNU.sparse.name') ?? values?.get('path') ?? this.#longName ?? header.name;
    let type = Object.hasOwn(TYPES, header.typeFlag) ? TYPES[header.typeFlag] : undefined;
    if (type === undefined) {
      throw invalidParameter(`unhandled tar header type ${header.typeFlag.charCodeAt(0)}`, {
        hint: `the entry is ${JSON.stringify(name)}`,
      });
    }
    if (type === 'file' && header.typeFlag !== 'S' && name.endsWith('/')) type = 'directory';
    const numeric = (key: string, fallback: number): number => {
      const value = values?.get(key);
      return value === undefined ? fallback : paxNumber(value);
    };
    const attributes = new Map<ByteString, ByteString>();
    for (const [key, value] of values ?? []) {
      if (key.startsWith('SCHILY.xattr.')) attributes.set(key.slice('SCHILY.xattr.'.length), value);
    }
    const time = (key: string): TarEntry['access'] => {
      const value = values?.get(key);
      return value === undefined ? undefined : paxTime(value);
    };
    const isFile = type === 'file';
    if (isFile && regions) checkRegions(regions, sizeBytes, carried);
    this.#pax = undefined;
    this.#longName = undefined;
    const linkName = values?.get('linkpath') ?? this.#longLink ?? header.linkName;
    this.#longLink = undefined;
    this.#handler.entry({
      type,
      name,
      linkName: type === 'hardLink' || type === 'symlink' ? linkName : '',
      mode: header.mode & 0o7777,
      uid: numeric('uid', header.uid),
      gid: numeric('gid', header.gid),
      userName: values?.get('uname') ?? header.userName,
      groupName: values?.get('gname') ?? header.groupName,
      sizeBytes: isFile ? sizeBytes : 0,
      modification: time('mtime') ?? { seconds: header.modification, nanoseconds: 0 },
      access: time('atime'),
      major: header.major,
      minor: header.minor,
      attributes,
      sparse: isFile ? regions : undefined,
    });
    // Only files, and directories of old archives, are followed by bytes; links may state a size and carry none.
    if (!isFile && type !== 'directory') this.#endOfEntry();
    else if (!isFile) this.#skip(padded(carried));
    else this.#startData(regions ?? (carried === 0 ? [] : [{ offset: 0, length: carried }]), carried);
  }

  #startData(regions: readonly SparseRegion[], carried: number): void {
    this.#padding = padded(carried) - carried;
    const present = regions.filter(region => region.length > 0);
    if (this.#missing) {
      for (const { offset, length } of present) this.#missing(offset, length);
      this.#skip(this.#padding);
    } else if (present.length === 0) this.#skip(this.#padding);
    else this.#state = { kind: 'data', regions: present, region: 0, within: 0 };
  }

  #takeData(state: Extract<State, { kind: 'data' }>, chunk: Buffer, at: number): number {
    const region = state.regions[state.region];
    if (!region) {
      this.#skip(this.#padding);
      return 0;
    }
    const n = Math.min(region.length - state.within, chunk.length - at);
    this.#handler.data(
      at === 0 && n === chunk.length ? chunk : chunk.subarray(at, at + n),
      region.offset + state.within,
    );
    state.within += n;
    if (state.within === region.length) {
      state.region += 1;
      state.within = 0;
      if (state.region === state.regions.length) this.#skip(this.#padding);
    }
    return n;
  }

  #skip(length: number): void {
    if (length === 0) this.#endOfEntry();
    else this.#state = { kind: 'skip', left: length };
  }

  #endOfEntry(): void {
    this.#state = HEADER;
    this.#handler.end();
  }
}

function untilNul(data: Buffer): ByteString {
  const end = data.indexOf(0);
  return data.toString('latin1', 0, end < 0 ? data.length : end);
}

function checkRegions(regions: readonly SparseRegion[], sizeBytes: number, carried: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of regions) {
    if (offset < end || offset + length > sizeBytes) throw invalidParameter('archive/tar: invalid sparse map');
    end = offset + length;
    sum += length;
  }
  if (sum !== carried) throw invalidParameter('archive/tar: invalid sparse map');
}
