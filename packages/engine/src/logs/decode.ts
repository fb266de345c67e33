import { unescapeJson } from './unescape.ts';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PREFIX = Buffer.from('{"log":"');
const BEFORE_STREAM = Buffer.from('","stream":"std');
const BEFORE_TIME = Buffer.from('","time":"');
const STDOUT = 1;
const STDERR = 2;
const HEADER_BYTES = 8;
/** A frame that holds several lines is not made longer than this. */
const MAX_FRAME_BYTES = 64 * 1024;
const FIXED_TIME_BYTES = 30;

export type DecodeOptions = {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** 8-byte stream frames; raw otherwise. */
  readonly multiplexed: boolean;
  /** Nanoseconds since the epoch; 0 for no bound. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  /** Lines of one stream that follow each other share a frame. One frame a line otherwise. */
  readonly coalesce: boolean;
};

/**
 * Turns lines of a json-file log into what a client of `logs` reads. It works on bytes: a line in the form that Docker and
 * Gantry write is never turned into a string; any other valid line goes through JSON.parse, and what is no valid line
 * is left out.
 */
export class LogDecoder {
  readonly #options: DecodeOptions;
  readonly #since: string;
  readonly #until: string;
  #out: Buffer;
  #length = 0;
  #frameAt = -1;
  #frameStream = 0;
  /** A line later than the upper bound was seen: nothing more will come. */
  done = false;

  constructor(options: DecodeOptions) {
    this.#options = options;
    this.#since = options.sinceNs > 0n ? fixedTime(options.sinceNs) : '';
    this.#until = options.untilNs > 0n ? fixedTime(options.untilNs) : '';
    this.#out = Buffer.alloc(0);
  }

  /**
   * Decodes the complete lines of `from[start, end)`.
   * @returns the output, and the position after the last complete line
   */
  decode(from: Buffer, start: number, end: number): { readonly output: Buffer; readonly next: number } {
    // What a line becomes is shorter than the line; escaped attributes (details) make the buffer grow.
    this.#out = Buffer.allocUnsafeSlow(end - start + 64);
    this.#length = 0;
    this.#frameAt = -1;
    let at = start;
    while (at < end && !this.done) {
      const next = this.#fast(from, at, end);
      if (next > 0) {
        at = next;
        continue;
      }
      const newline = from.indexOf(NEWLINE, at);
      if (newline < 0 || newline >= end) break;
      this.#slow(from, at, newline);
      at = newline + 1;
    }
    this.#closeFrame();
    const output = this.#out.subarray(0, this.#length);
    this.#out = Buffer.alloc(0);
    return { output, next: at };
  }

  /** Decodes a line in the usual form. @returns the position after it, 0 when it has another form or is incomplete */
  #fast(from: Buffer, at: number, end: number): number {
    for (let i = 0; i < 8; i++) if (from[at + i] !== PREFIX[i]) return 0;
    const start = at + 8;
    let i = start;
    let byte = from[i];
    while (byte !== BACKSLASH && byte !== QUOTE && i < end) byte = from[++i];
    const plainEnd = i;
    // The usual line has one escape: the \n at its end.
    const endsLine = byte === BACKSLASH && from[i + 1] === 0x6e && from[i + 2] === QUOTE;
    let escaped = false;
    if (endsLine) i += 2;
    else {
      while (from[i] !== QUOTE) {
        if (i >= end) return 0;
        escaped = true;
        i += from[i] === BACKSLASH ? 2 : 1;
      }
    }
    const stop = i;
    if (stop + 60 > end + 16) return 0;
    for (let k = 0; k < 15; k++) if (from[stop + k] !== BEFORE_STREAM[k]) return 0;
    const letter = from[stop + 15];
    const stream = letter === 0x6f ? STDOUT : letter === 0x65 ? STDERR : 0;
    if (stream === 0) return 0;
    for (let k = 0; k < 10; k++) if (from[stop + 18 + k] !== BEFORE_TIME[k]) return 0;
    const time = stop + 28;
    let timeEnd = time + 19;
    while (from[timeEnd] !== QUOTE && timeEnd < time + 36) timeEnd++;
    if (from[timeEnd - 1] !== 0x5a || from[timeEnd + 1] !== 0x7d || from[timeEnd + 2] !== NEWLINE) return 0;
    const next = timeEnd + 3;
    if (next > end) return 0;

    const { stdout, stderr, timestamps, details } = this.#options;
    if (stream === STDOUT ? !stdout : !stderr) return next;
    let stamp = '';
    if (timestamps || this.#since !== '' || this.#until !== '') {
      stamp = padTime(from.toString('latin1', time, timeEnd));
      if (!this.#wanted(stamp)) return next;
    }
    const mark = this.#length;
    this.#reserve(stop - start + FIXED_TIME_BYTES + HEADER_BYTES + 4);
    this.#openFrame(stream);
    if (timestamps) this.#writeText(`${stamp} `);
    if (details) this.#out[this.#length++] = 0x20;
    if (escaped) {
      const length = unescapeJson(from, start, stop, this.#out, this.#length);
      if (length < 0) {
        this.#length = mark;
        if (this.#frameAt >= mark) this.#frameAt = -1;
        return next;
      }
      this.#length = length;
    } else {
      const length = plainEnd - start;
      if (length > 48) from.copy(this.#out, this.#length, start, plainEnd);
      else for (let k = 0, out = this.#length; k < length; k++) this.#out[out + k] = from[start + k] ?? 0;
      this.#length += length;
      if (endsLine) this.#out[this.#length++] = NEWLINE;
    }
    return next;
  }

  /** Decodes a line that has attributes, another order, or is no JSON at all. */
  #slow(from: Buffer, at: number, end: number): void {
    let entry: unknown;
    try {
      entry = JSON.parse(from.toString('utf8', at, end));
    } catch {
      return;
    }
    if (typeof entry !== 'object' || entry === null) return;
    const { log, stream, attrs, time } = entry as Record<string, unknown>;
    if (typeof log !== 'string' || typeof time !== 'string') return;
    const number = stream === 'stdout' ? STDOUT : stream === 'stderr' ? STDERR : 0;
    if (number === 0 || !(number === STDOUT ? this.#options.stdout : this.#options.stderr)) return;
    const stamp = padTime(time);
    if (!this.#wanted(stamp)) return;
    const { timestamps, details } = this.#options;
    const text = `${timestamps ? `${stamp} ` : ''}${details ? `${attributeText(attrs)} ` : ''}${log}`;
    this.#reserve(Buffer.byteLength(text) + HEADER_BYTES);
    this.#openFrame(number);
    this.#writeText(text);
  }

  #wanted(stamp: string): boolean {
    if (this.#since !== '' && stamp < this.#since) return false;
    if (this.#until !== '' && stamp > this.#until) {
      this.done = true;
      return false;
    }
    return true;
  }

  #writeText(text: string): void {
    this.#length += this.#out.write(text, this.#length, 'utf8');
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#out.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#out.length * 2, this.#length + bytes));
    this.#out.copy(larger, 0, 0, this.#length);
    this.#out = larger;
  }

  #openFrame(stream: number): void {
    if (!this.#options.multiplexed) return;
    if (this.#frameAt >= 0) {
      const length = this.#length - this.#frameAt;
      if (this.#options.coalesce && stream === this.#frameStream && length < MAX_FRAME_BYTES) return;
      this.#closeFrame();
    }
    this.#frameAt = this.#length;
    this.#frameStream = stream;
    const out = this.#out;
    const at = this.#length;
    out[at] = stream;
    out[at + 1] = 0;
    out[at + 2] = 0;
    out[at + 3] = 0;
    this.#length = at + HEADER_BYTES;
  }

  #closeFrame(): void {
    const at = this.#frameAt;
    if (at < 0) return;
    const length = this.#length - at - HEADER_BYTES;
    const out = this.#out;
    out[at + 4] = length >>> 24;
    out[at + 5] = (length >>> 16) & 0xff;
    out[at + 6] = (length >>> 8) & 0xff;
    out[at + 7] = length & 0xff;
    this.#frameAt = -1;
  }
}

/** `2026-01-02T03:04:05.6Z` with nine digits of a second, so that times compare as text. */
export function padTime(time: string): string {
  if (time.length === FIXED_TIME_BYTES) return time;
  const seconds = time.slice(0, 19);
  const fraction = /^\.(\d{1,9})/.exec(time.slice(19))?.[1] ?? '';
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}

/** A time in nanoseconds since the epoch as Docker shows it, with nine digits of a second. */
export function fixedTime(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999) return '9999-12-31T23:59:59.999999999Z';
  return `${date.toISOString().slice(0, 19)}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}

function attributeText(attrs: unknown): string {
  if (typeof attrs !== 'object' || attrs === null) return '';
  const encode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+');
  return Object.entries(attrs)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${encode(key)}=${encode(String(value))}`)
    .join(',');
}
