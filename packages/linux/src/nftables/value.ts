import { ipBytes } from '../ip-address.ts';
import { networkOrder16 } from '../netlink/message.ts';

/** A type of keys and values: its number in nft, its size, and whether nft shows it in host or network order. */
export type DataType = {
  readonly id: number;
  readonly bytes: number;
  readonly order: 'none' | 'host' | 'network';
  /** Of what it is put together. */
  readonly fields?: readonly DataType[];
};

/** @see nft(8), data types; the numbers are those of the nft tool, the kernel only keeps them. */
export const DataType = {
  ipv4: { id: 7, bytes: 4, order: 'network' },
  ipv6: { id: 8, bytes: 16, order: 'network' },
  protocol: { id: 12, bytes: 1, order: 'network' },
  port: { id: 13, bytes: 2, order: 'network' },
  linkName: { id: 41, bytes: 16, order: 'host' },
} as const satisfies Record<string, DataType>;

/** The type of several values one after the other, each padded to 4 bytes. */
export function concatenated(...types: readonly DataType[]): DataType {
  return {
    id: types.reduce((id, type) => (id << 6) | type.id, 0),
    bytes: types.reduce((size, type) => size + padded(type.bytes), 0),
    order: 'none',
    fields: types,
  };
}

/** The bytes of an address, IPv4 or IPv6. */
export const address = ipBytes;

export function port(number: number): Uint8Array {
  return networkOrder16(number);
}

const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

export function protocol(name: keyof typeof PROTOCOL): Uint8Array {
  return Uint8Array.of(PROTOCOL[name]);
}

/** A link's name as the kernel compares it: 16 bytes. */
export function linkName(name: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.write(name, 0, 15);
  return bytes;
}

/** Several values as one key. */
export function concat(...values: readonly Uint8Array[]): Uint8Array {
  const all = Buffer.alloc(values.reduce((size, value) => size + padded(value.length), 0));
  let at = 0;
  for (const value of values) {
    all.set(value, at);
    at += padded(value.length);
  }
  return all;
}

function padded(size: number): number {
  return (size + 3) & ~3;
}
