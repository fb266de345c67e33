import { isIPv4, isIPv6 } from 'node:net';

/** The 4 or 16 bytes of an address. @throws RangeError for what is no address */
export function ipBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  if (!isIPv6(address)) throw new RangeError(`${address} is not an IP address`);
  const [plain = ''] = address.split('%');
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  const text = mapped ? `${mapped[1]}${hexPairs(ipBytes(mapped[2] ?? ''))}` : plain;
  const [head = '', tail] = text.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap(group => [group >> 8, group & 255]));
}

/** Prints 4 or 16 bytes as an address; IPv6 in the form of RFC 5952. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const list = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && list[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: readonly number[]): string => part.map(group => group.toString(16)).join(':');
  if (best.length < 2) return hex(list);
  return `${hex(list.slice(0, best.start))}::${hex(list.slice(best.start + best.length))}`;
}

function groups(part: string): number[] {
  return part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16));
}

function hexPairs(bytes: Uint8Array): string {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
