import { file } from '@gantry/linux';
import {
  type Block,
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  decodingTable,
  END_OF_BLOCK,
  FIRST_LENGTH,
  LENGTH_BASE,
  LENGTH_EXTRA,
  MIN_MATCH,
  OddStream,
  takeBlockHeader,
  takeGzipHeader,
  takeGzipTrailer,
} from './code.ts';
import { History } from './history.ts';
import { type DeflateRecordWriter, PLACES_LONG, RUN_ENDS_BLOCK, RUN_GOES_ON } from './record.ts';

const INPUT_BYTES = 256 * 1024;
/** A header or a token takes less from the input. */
const INPUT_RESERVE = 16;
/** Places that may be looked at for each byte of the input, and in any case; usual are 2 to 20. */
const PATIENCE = 100;
const PATIENCE_AT_LEAST = 10_000_000;

/**
 * Takes a gzip blob apart: what cannot be derived from its contents goes to `record`. Synchronous, for worker threads only;
 * yields now and then, so that it can be stopped.
 * @throws OddStream when it is no gzip, damaged, or not to be described this way
 */
export function* analyseGzip(fd: number, record: DeflateRecordWriter): Generator<undefined> {
  const analysis = new Analysis(fd, record);
  const take = (count: number): number => analysis.takeBits(count);
  const align = (): void => analysis.align();
  for (let isFirst = true; isFirst || analysis.moreFollows(); isFirst = false) {
    takeGzipHeader(take);
    for (let isLast = false; !isLast; ) {
      const block = takeBlockHeader(take, align);
      isLast = block.isLast;
      if (block.kind === 'stored') analysis.storedBlock(block.bytes);
      else yield* analysis.codedBlock(block);
      yield;
    }
    align();
    takeGzipTrailer(take);
  }
}

class Analysis {
  readonly #fd: number;
  readonly #record: DeflateRecordWriter;
  readonly #history = new History();
  /** How much of the history's bytes is there. */
  #end = 0;
  readonly #input = Buffer.allocUnsafeSlow(INPUT_BYTES);
  #at = 0;
  #limit = 0;
  #readBytes = 0;
  #isInputOver = false;
  /** Bits that were taken from the input, lowest first. */
  #held = 0;
  #bits = 0;

  constructor(fd: number, record: DeflateRecordWriter) {
    this.#fd = fd;
    this.#record = record;
  }

  /** Takes bits and notes them in the record. */
  takeBits(count: number): number {
    if (this.#limit - this.#at < INPUT_RESERVE) this.#fill();
    for (; this.#bits < count; this.#bits += 8) this.#held |= this.#nextByte() << this.#bits;
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#bits -= count;
    this.#record.headers.put(value, count);
    return value;
  }

  align(): void {
    this.takeBits(this.#bits & 7);
  }

  /** Whether another member follows, which the record is told. */
  moreFollows(): boolean {
    if (this.#limit - this.#at < INPUT_RESERVE) this.#fill();
    const isOver = this.#bits === 0 && this.#at === this.#limit;
    this.#record.headers.put(isOver ? 0 : 1, 1);
    return !isOver;
  }

  storedBlock(bytes: number): void {
    const contents = this.#history.bytes;
    let left = bytes;
    // The input is at a whole byte; some of the next ones may be held already.
    for (; left > 0 && this.#bits > 0; left--, this.#bits -= 8) {
      contents[this.#end++] = this.#held & 255;
      this.#held >>>= 8;
    }
    while (left > 0) {
      this.#makeRoom();
      if (this.#at === this.#limit) this.#fill();
      const n = this.#input.copy(contents, this.#end, this.#at, Math.min(this.#at + left, this.#limit));
      if (n === 0) throw cutOff();
      this.#at += n;
      this.#end += n;
      left -= n;
    }
  }

  *codedBlock({ literals, distances }: Extract<Block, { kind: 'coded' }>): Generator<undefined> {
    const literalTable = decodingTable(literals);
    const distanceTable = decodingTable(distances);
    while (!this.#tokens(literalTable.entries, distanceTable.entries)) {
      this.#makeRoom();
      this.#checkPatience();
      yield;
    }
  }

  #run = 0;

  /** Goes through tokens until the block is over (true), or something else must be done in between (false). */
  #tokens(literals: Uint16Array, distances: Uint16Array): boolean {
    const { runs, lengths, places } = this.#record;
    const history = this.#history;
    const { bytes } = history;
    const input = this.#input;
    const literalMask = literals.length - 1;
    const distanceMask = distances.length - 1;
    let run = this.#run;
    let held = this.#held;
    let bits = this.#bits;
    let at = this.#at;
    let end = this.#end;
    let isBlockOver = false;
    let isOdd = false;
    while (!history.isFull(end)) {
      if (this.#limit - at < INPUT_RESERVE) {
        this.#at = at;
        this.#fill();
        at = this.#at;
        if (at > this.#limit) break;
      }
      for (; bits < 24; bits += 8) held |= (input[at++] ?? 0) << bits;
      const entry = literals[held & literalMask] ?? 0;
      const symbol = entry >> 4;
      held >>>= entry & 15;
      bits -= entry & 15;
      if (symbol < END_OF_BLOCK) {
        if (entry === 0) {
          isOdd = true;
          break;
        }
        bytes[end++] = symbol;
        if (++run === RUN_GOES_ON) {
          runs.put(RUN_GOES_ON);
          run = 0;
        }
        continue;
      }
      if (symbol === END_OF_BLOCK) {
        runs.put(RUN_ENDS_BLOCK);
        runs.put(run);
        run = 0;
        isBlockOver = true;
        break;
      }
      const lengthSymbol = symbol - FIRST_LENGTH;
      const lengthExtra = LENGTH_EXTRA[lengthSymbol] ?? 0;
      const length = (LENGTH_BASE[lengthSymbol] ?? 0) + (held & ((1 << lengthExtra) - 1));
      held >>>= lengthExtra;
      bits -= lengthExtra;
      for (; bits < 24; bits += 8) held |= (input[at++] ?? 0) << bits;
      const distanceEntry = distances[held & distanceMask] ?? 0;
      held >>>= distanceEntry & 15;
      bits -= distanceEntry & 15;
      for (; bits < 24; bits += 8) held |= (input[at++] ?? 0) << bits;
      const distanceSymbol = distanceEntry >> 4;
      const distanceExtra = DISTANCE_EXTRA[distanceSymbol] ?? 0;
      const distance = (DISTANCE_BASE[distanceSymbol] ?? 0) + (held & ((1 << distanceExtra) - 1));
      held >>>= distanceExtra;
      bits -= distanceExtra;
      const from = end - distance;
      if (length < MIN_MATCH || distanceEntry === 0 || distance === 0 || from < 0) {
        isOdd = true;
        break;
      }
      for (let i = 0; i < length; i++) bytes[end + i] = bytes[from + i] ?? 0;
      const nearer = history.placesBetween(end, from, length);
      if (nearer < 0) {
        isOdd = true;
        break;
      }
      runs.put(run);
      run = 0;
      lengths.put(length - MIN_MATCH);
      if (nearer < PLACES_LONG) places.put(nearer);
      else {
        places.put(PLACES_LONG);
        places.put(nearer & 255);
        places.put(nearer >> 8);
      }
      end += length;
    }
    this.#run = run;
    this.#held = held;
    this.#bits = bits;
    this.#at = at;
    this.#end = end;
    if (isOdd) throw new OddStream('a token is not one that a compressor makes');
    if (at > this.#limit) throw cutOff();
    return isBlockOver;
  }

  #makeRoom(): void {
    const history = this.#history;
    if (history.isFull(this.#end)) this.#end -= history.move(this.#end, this.#end);
  }

  #checkPatience(): void {
    if (this.#history.looked > PATIENCE_AT_LEAST + PATIENCE * this.#readBytes)
      throw new OddStream('its matches take too long to find');
  }

  #nextByte(): number {
    if (this.#at >= this.#limit) throw cutOff();
    return this.#input[this.#at++] ?? 0;
  }

  #fill(): void {
    if (this.#isInputOver) return;
    this.#input.copyWithin(0, this.#at, this.#limit);
    this.#limit -= this.#at;
    this.#at = 0;
    while (this.#limit < INPUT_BYTES) {
      const n = file.readAt(this.#fd, this.#input.subarray(this.#limit), this.#readBytes);
      this.#isInputOver = n === 0;
      if (n === 0) break;
      this.#limit += n;
      this.#readBytes += n;
    }
  }
}

const cutOff = (): Error => new OddStream('the stream is cut off');
