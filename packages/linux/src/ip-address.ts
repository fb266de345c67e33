import { isIPv4 } from 'node:net';

/** The 4 or 16 bytes of an address. @throws RangeError for what is no address */
export function ipBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  const groups = ipv6Groups(address);
  if (groups === undefined) throw new RangeError(`${address} is not an IP address`);
  return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 255]));
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

/** The eight groups of an IPv6 address. `isIPv6` of node:net compiles an expression that takes longer than a whole start may. */
function ipv6Groups(address: string): number[] | undefined {
  const [plain = '', zone] = address.split('%', 2);
  const [head = '', tail, ...more] = plain.split('::');
  if (zone === '' || more.length > 0) return undefined;
  const before = groupsOf(head, tail === undefined);
  const after = tail === undefined ? [] : groupsOf(tail, true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** The groups of one side of `::`; the last two may be written as an IPv4 address. */
function groupsOf(text: string, mayEndInIPv4: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const last = parts.at(-1) ?? '';
  const mapped = mayEndInIPv4 && isIPv4(last) ? ipBytes(last) : undefined;
  const plain = mapped ? parts.slice(0, -1) : parts;
  if (!plain.every(part => /^[\da-f]{1,4}$/i.test(part))) return undefined;
  const groups = plain.map(part => Number.parseInt(part, 16));
  if (mapped) groups.push(((mapped[0] ?? 0) << 8) | (mapped[1] ?? 0), ((mapped[2] ?? 0) << 8) | (mapped[3] ?? 0));
  return groups;
}
