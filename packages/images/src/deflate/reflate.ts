import { systemError } from '@gantry/errors';
import {
  type Block,
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  DISTANCE_SYMBOL,
  END_OF_BLOCK,
  encodingTable,
  FIRST_LENGTH,
  LENGTH_BASE,
  LENGTH_EXTRA,
  LENGTH_SYMBOL,
  MAX_MATCH,
  MIN_MATCH,
  takeBlockHeader,
  takeGzipHeader,
  takeGzipTrailer,
} from './code.ts';
import { AHEAD, History } from './history.ts';
import { type DeflateRecordReader, PLACES_LONG, RUN_ENDS_BLOCK, RUN_GOES_ON } from './record.ts';

const OUTPUT_BYTES = 256 * 1024;
/** What one turn of the loop writes at most: a run of literals and a match, or a header. */
const OUTPUT_RESERVE = 2048;
/** What one turn of the loop reads at most, and the two bytes behind it. */
const SOURCE_RESERVE = RUN_GOES_ON + MAX_MATCH + 2;
const SYMBOLS = 288;

/**
 * Gives a gzip blob back bit for bit from what it holds and its deflate record. A buffer is valid until the next is asked for.
 * `contents` is read to its end. Synchronous, for worker threads only.
 * @throws system when the record is damaged; other contents give other bytes, which only their digest tells
 */
export function* reflate(record: DeflateRecordReader, contents: Iterable<Buffer>): Generator<Buffer> {
  const writer = new Reflation(record, contents);
  const take = (count: number): number => writer.passBits(count);
  const align = (): void => writer.align();
  do {
    takeGzipHeader(take);
    for (let isLast = false; !isLast; ) {
      const block = takeBlockHeader(take, align);
      isLast = block.isLast;
      if (block.kind === 'stored') yield* writer.storedBlock(block.bytes);
      else yield* writer.codedBlock(block);
      yield* writer.whenFull();
    }
    align();
    takeGzipTrailer(take);
    yield* writer.whenFull();
  } while (record.headers.take(1) === 1);
  yield* writer.rest();
}

class Reflation {
  readonly #record: DeflateRecordReader;
  readonly #contents: Iterator<Buffer>;
  readonly #history = new History();
  /** What comes next of the contents, and how much of them is there. */
  #at = 0;
  #end = 0;
  #piece: Buffer = Buffer.alloc(0);
  #pieceAt = 0;
  #areContentsOver = false;
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  #written = 0;
  #held = 0;
  #bits = 0;

  constructor(record: DeflateRecordReader, contents: Iterable<Buffer>) {
    this.#record = record;
    this.#contents = contents[Symbol.iterator]();
  }

  /** Takes bits of the record on to the output. A header of no known end could fill it: its bytes come in turns. */
  passBits(count: number): number {
    if (this.#written > OUTPUT_BYTES - 8) throw systemError('a header in a deflate record has no end');
    const value = this.#record.headers.take(count);
    this.#held |= value << this.#bits;
    this.#bits += count;
    for (; this.#bits >= 8; this.#bits -= 8) {
      this.#output[this.#written++] = this.#held & 255;
      this.#held >>>= 8;
    }
    return value;
  }

  align(): void {
    this.passBits((8 - (this.#bits & 7)) & 7);
  }

  *storedBlock(bytes: number): Generator<Buffer> {
    for (let left = bytes; left > 0; ) {
      yield* this.whenFull();
      if (this.#at === this.#end) this.#fill();
      const to = Math.min(this.#at + left, this.#end, this.#at + OUTPUT_BYTES - this.#written);
      const n = this.#history.bytes.copy(this.#output, this.#written, this.#at, to);
      if (n === 0) throw tooShort();
      this.#written += n;
      this.#at += n;
      left -= n;
    }
  }

  *codedBlock({ literals, distances }: Extract<Block, { kind: 'coded' }>): Generator<Buffer> {
    const literalCodes = encodingTable(literals, SYMBOLS);
    const distanceCodes = encodingTable(distances, 32);
    while (!this.#tokens(literalCodes, distanceCodes)) {
      yield* this.whenFull();
      this.#fill();
    }
  }

  *whenFull(): Generator<Buffer> {
    if (this.#written < OUTPUT_BYTES - OUTPUT_RESERVE) return;
    yield this.#output.subarray(0, this.#written);
    this.#written = 0;
  }

  /** The end of the output. What is left of the contents is looked at by whoever makes them. */
  *rest(): Generator<Buffer> {
    yield this.#output.subarray(0, this.#written);
    for (let next = this.#contents.next(); !next.done; ) next = this.#contents.next();
  }

  /** Writes tokens until the block is over (true), or there is no room or too little of the contents (false). */
  #tokens(literals: Uint32Array, distances: Uint32Array): boolean {
    const { runs, lengths, places } = this.#record;
    const history = this.#history;
    const { bytes } = history;
    const output = this.#output;
    let held = this.#held;
    let bits = this.#bits;
    let written = this.#written;
    let at = this.#at;
    let isBlockOver = false;
    const lastRoom = OUTPUT_BYTES - OUTPUT_RESERVE;
    const lastStart = this.#areContentsOver ? this.#end : this.#end - SOURCE_RESERVE;
    while (written < lastRoom && at <= lastStart && !history.isFull(at)) {
      const kind = runs.take();
      const run = kind === RUN_ENDS_BLOCK ? runs.take() : kind;
      if (at + run > this.#end) throw tooShort();
      for (const stop = at + run; at < stop; at++) {
        const code = literals[bytes[at] ?? 0] ?? 0;
        held |= (code >> 4) << bits;
        bits += code & 15;
        if (bits >= 16) {
          output[written] = held & 255;
          output[written + 1] = (held >> 8) & 255;
          written += 2;
          held >>>= 16;
          bits -= 16;
        }
      }
      if (kind === RUN_GOES_ON) continue;
      if (kind === RUN_ENDS_BLOCK) {
        isBlockOver = true;
        const code = literals[END_OF_BLOCK] ?? 0;
        held |= (code >> 4) << bits;
        bits += code & 15;
        for (; bits >= 8; bits -= 8) {
          output[written++] = held & 255;
          held >>>= 8;
        }
        break;
      }
      const length = lengths.take() + MIN_MATCH;
      const nearer = places.take();
      const behind = nearer === PLACES_LONG ? places.take() | (places.take() << 8) : nearer;
      if (at + length > this.#end) throw tooShort();
      const from = history.placeBehind(at, behind, length);
      if (from < 0) throw otherContents();
      const lengthSymbol = LENGTH_SYMBOL[length] ?? 0;
      const lengthCode = literals[FIRST_LENGTH + lengthSymbol] ?? 0;
      held |= (lengthCode >> 4) << bits;
      bits += lengthCode & 15;
      if (bits >= 16) {
        output[written] = held & 255;
        output[written + 1] = (held >> 8) & 255;
        written += 2;
        held >>>= 16;
        bits -= 16;
      }
      held |= (length - (LENGTH_BASE[lengthSymbol] ?? 0)) << bits;
      bits += LENGTH_EXTRA[lengthSymbol] ?? 0;
      if (bits >= 16) {
        output[written] = held & 255;
        output[written + 1] = (held >> 8) & 255;
        written += 2;
        held >>>= 16;
        bits -= 16;
      }
      const distance = at - from;
      const distanceSymbol = DISTANCE_SYMBOL[distance] ?? 0;
      const distanceCode = distances[distanceSymbol] ?? 0;
      held |= (distanceCode >> 4) << bits;
      bits += distanceCode & 15;
      if (bits >= 16) {
        output[written] = held & 255;
        output[written + 1] = (held >> 8) & 255;
        written += 2;
        held >>>= 16;
        bits -= 16;
      }
      held |= (distance - (DISTANCE_BASE[distanceSymbol] ?? 0)) << bits;
      bits += DISTANCE_EXTRA[distanceSymbol] ?? 0;
      if (bits >= 16) {
        output[written] = held & 255;
        output[written + 1] = (held >> 8) & 255;
        written += 2;
        held >>>= 16;
        bits -= 16;
      }
      at += length;
    }
    this.#held = held;
    this.#bits = bits;
    this.#written = written;
    this.#at = at;
    return isBlockOver;
  }

  #fill(): void {
    const history = this.#history;
    if (history.isFull(this.#at)) {
      const by = history.move(this.#at, this.#end);
      this.#at -= by;
      this.#end -= by;
    }
    while (!this.#areContentsOver && this.#end - this.#at < AHEAD / 2) {
      if (this.#pieceAt === this.#piece.length) {
        const next = this.#contents.next();
        this.#areContentsOver = next.done === true;
        if (next.done) break;
        this.#piece = next.value;
        this.#pieceAt = 0;
      }
      const room = AHEAD - (this.#end - this.#at);
      const n = this.#piece.copy(history.bytes, this.#end, this.#pieceAt, this.#pieceAt + room);
      this.#end += n;
      this.#pieceAt += n;
    }
  }
}

const tooShort = (): Error => systemError('a layer is shorter than its deflate record');
const otherContents = (): Error => systemError('a layer is not the one of its deflate record');
