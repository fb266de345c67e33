import { ipBytes } from '../ip-address.ts';
import { parseMac } from './link.ts';
import { bytes, type Message, NetlinkFlag } from './message.ts';

/** @see linux/neighbour.h */
const RTM = { newNeighbor: 28, deleteNeighbor: 29 } as const;
const NDA = { destination: 1, linkAddress: 2 } as const;
const PERMANENT = 0x80;

/** Writes a permanent entry (replacing any): it is never asked for, never expires, and does not count for gc_thresh. */
export function setNeighbor(entry: {
  readonly linkIndex: number;
  readonly address: string;
  readonly macAddress: string;
}): Message {
  const address = ipBytes(entry.address);
  return {
    type: RTM.newNeighbor,
    flags: NetlinkFlag.request | NetlinkFlag.ack | NetlinkFlag.create | NetlinkFlag.replace,
    header: neighborHeader(address.length, entry.linkIndex, PERMANENT),
    attributes: [bytes(NDA.destination, address), bytes(NDA.linkAddress, parseMac(entry.macAddress))],
  };
}

/** @throws ENOENT when there is none */
export function deleteNeighbor(entry: { readonly linkIndex: number; readonly address: string }): Message {
  const address = ipBytes(entry.address);
  return {
    type: RTM.deleteNeighbor,
    flags: NetlinkFlag.request | NetlinkFlag.ack,
    header: neighborHeader(address.length, entry.linkIndex, 0),
    attributes: [bytes(NDA.destination, address)],
  };
}

/** struct ndmsg. */
function neighborHeader(length: number, linkIndex: number, state: number): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeUInt8(length === 4 ? 2 : 10, 0);
  header.writeInt32LE(linkIndex, 4);
  header.writeUInt16LE(state, 8);
  return header;
}
