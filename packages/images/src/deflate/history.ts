import { MAX_DISTANCE } from './code.ts';

const HASH_BITS = 15;
const HASH_MASK = (1 << HASH_BITS) - 1;
const WINDOW = MAX_DISTANCE;
const WINDOW_MASK = WINDOW - 1;
/** Bytes that are gone through before the window is moved. */
const SPAN = 32 * WINDOW;
/** Bytes that may lie behind the position that is looked at. */
export const AHEAD = 2 * WINDOW;

/**
 * The uncompressed bytes around one position, and where in the window before it each three of them occurred: what a
 * compressor of zlib's kind chose its matches from. A match is named by its length and by how many nearer places would have
 * done as well; most compressors take the nearest, so that number is mostly 0.
 */
export class History {
  readonly bytes = Buffer.allocUnsafeSlow(WINDOW + SPAN + AHEAD);
  /** The same, to read four at a time. */
  readonly #view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  /** The last position with these three bytes; positions before it with the same by `#before`. -1 for none. */
  readonly #last = new Int32Array(1 << HASH_BITS).fill(-1);
  readonly #before = new Int32Array(WINDOW);
  #noted = 0;
  /** Places that were looked at and how long that took, roughly: for a bound on hostile streams. */
  looked = 0;

  /** Whether the window should be moved before more is done at this position. */
  isFull(at: number): boolean {
    return at >= WINDOW + SPAN;
  }

  /**
   * Moves the window, when bytes up to `end` are there and those before `at` were gone through. What lay at a position lies the
   * returned number of bytes before it from then on.
   */
  move(at: number, end: number): number {
    const by = SPAN;
    this.#noteUntil(at - 2);
    this.bytes.copyWithin(0, by, end);
    for (const table of [this.#last, this.#before]) {
      for (let i = 0; i < table.length; i++) table[i] = Math.max((table[i] ?? 0) - by, -1);
    }
    this.#noted -= by;
    return by;
  }

  /** How many places between `at` and `from` begin with the same `length` bytes as both of them do. */
  placesBetween(at: number, from: number, length: number): number {
    this.#noteUntil(at);
    const before = this.#before;
    let places = 0;
    let looked = 0;
    let place = this.#last[this.#hashAt(at)] ?? -1;
    for (; place > from; place = before[place & WINDOW_MASK] ?? -1) {
      looked++;
      if (isSame(this.#view, place, at, length)) places++;
    }
    // What is the same is compared to its end.
    this.looked += looked + places * (length >> 3);
    return place === from ? places : -1;
  }

  /** The place that `placesBetween` counted to; -1 when there is none. */
  placeBehind(at: number, places: number, length: number): number {
    this.#noteUntil(at);
    const before = this.#before;
    const first = Math.max(at - WINDOW, 0);
    let left = places;
    for (let place = this.#last[this.#hashAt(at)] ?? -1; place >= first; ) {
      if (isSame(this.#view, place, at, length) && left-- === 0) return place;
      const next = before[place & WINDOW_MASK] ?? -1;
      if (next >= place) return -1;
      place = next;
    }
    return -1;
  }

  #hashAt(at: number): number {
    const { bytes } = this;
    return (((bytes[at] ?? 0) << 10) ^ ((bytes[at + 1] ?? 0) << 5) ^ (bytes[at + 2] ?? 0)) & HASH_MASK;
  }

  /** Notes the places before `end`. The two bytes behind it must be there. */
  #noteUntil(end: number): void {
    const { bytes } = this;
    const last = this.#last;
    const before = this.#before;
    let at = this.#noted;
    if (at >= end) return;
    let hash = ((bytes[at] ?? 0) << 5) ^ (bytes[at + 1] ?? 0);
    for (; at < end; at++) {
      hash = ((hash << 5) ^ (bytes[at + 2] ?? 0)) & HASH_MASK;
      before[at & WINDOW_MASK] = last[hash] ?? -1;
      last[hash] = at;
    }
    this.#noted = at;
  }
}

/** Whether `length` bytes, three at least, are the same in two places. The ends differ first, mostly. */
function isSame(view: DataView, a: number, b: number, length: number): boolean {
  if (length < 4) return view.getUint16(a) === view.getUint16(b) && view.getUint8(a + 2) === view.getUint8(b + 2);
  const last = length - 4;
  if (view.getInt32(a + last) !== view.getInt32(b + last)) return false;
  for (let i = 0; i < last; i += 4) if (view.getInt32(a + i) !== view.getInt32(b + i)) return false;
  return true;
}
