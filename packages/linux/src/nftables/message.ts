import { type Attribute, encode, type Message, NetlinkFlag, networkOrder16 } from '../netlink/message.ts';

/** Families of tables. @see linux/netfilter.h */
export const Family = { inet: 1, ipv4: 2, ipv6: 10 } as const;
export type FamilyNumber = (typeof Family)[keyof typeof Family];

/** @see linux/netfilter/nf_tables.h, nf_tables_msg_types */
export const NftMessage = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  deleteChain: 5,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  deleteSet: 11,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
  newGeneration: 15,
  getGeneration: 16,
} as const;

/** Subsystem of nf_tables within nfnetlink. */
export const NFTABLES = 10;
const BATCH_BEGIN = 16;
const BATCH_END = 17;

export function nftMessage(type: number, family: number, flags: number, attributes: readonly Attribute[]): Message {
  return {
    type: (NFTABLES << 8) | type,
    flags: NetlinkFlag.request | flags,
    header: Uint8Array.of(family, 0, 0, 0),
    attributes,
  };
}

/**
 * One transaction: all of `messages` or none. The last one asks for an acknowledgement, and each that fails is answered.
 * @see nfnetlink.c
 */
export function transaction(messages: readonly Message[]): Uint8Array {
  const header = Uint8Array.of(0, 0, ...networkOrder16(NFTABLES));
  const mark = (type: number): Message => ({ type, flags: NetlinkFlag.request, header, attributes: [] });
  const last = messages.length - 1;
  return encode([
    mark(BATCH_BEGIN),
    ...messages.map((message, index) =>
      index === last ? { ...message, flags: message.flags | NetlinkFlag.ack } : message,
    ),
    mark(BATCH_END),
  ]).bytes;
}
