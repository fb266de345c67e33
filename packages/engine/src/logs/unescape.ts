const BACKSLASH = 0x5c;
const SIMPLE: Readonly<Record<number, number>> = {
  110: 0x0a, // n
  114: 0x0d, // r
  116: 0x09, // t
  98: 0x08, // b
  102: 0x0c, // f
  34: 0x22,
  92: 0x5c,
  47: 0x2f,
};

/**
 * Writes the JSON string content of `from[start, end)` without its escapes to `to`, at most as many bytes as there were.
 * Bytes that are no UTF-8 are kept.
 * @returns the position in `to` after the last byte, or -1 for an escape that JSON does not have
 */
export function unescapeJson(from: Uint8Array, start: number, end: number, to: Buffer, at: number): number {
  let out = at;
  for (let i = start; i < end; ) {
    const byte = from[i] ?? 0;
    if (byte !== BACKSLASH) {
      to[out++] = byte;
      i++;
      continue;
    }
    const letter = from[i + 1] ?? 0;
    const simple = SIMPLE[letter];
    if (simple !== undefined) {
      to[out++] = simple;
      i += 2;
      continue;
    }
    const unit = letter === 0x75 ? hex4(from, i + 2, end) : -1;
    if (unit < 0) return -1;
    i += 6;
    let point = unit;
    if (unit >= 0xd800 && unit < 0xdc00 && from[i] === BACKSLASH && from[i + 1] === 0x75) {
      const low = hex4(from, i + 2, end);
      if (low >= 0xdc00 && low < 0xe000) {
        point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        i += 6;
      }
    }
    if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
    out += to.write(String.fromCodePoint(point), out, 'utf8');
  }
  return out;
}

function hex4(from: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = from[i] ?? 0;
    const lower = byte | 0x20;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
