import { ipBytes, ipText } from '../ip-address.ts';
import { bytes, type Message, NetlinkFlag, u32 } from './message.ts';
import { type ParsedMessage, parseAttributes } from './parse.ts';

/** @see linux/rtnetlink.h, linux/if_addr.h */
const RTM = { newAddress: 20, deleteAddress: 21, getAddress: 22 } as const;
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const;
const IFA_F_NODAD = 2;

export type InterfaceAddress = {
  readonly linkIndex: number;
  readonly address: string;
  readonly prefixLength: number;
};

/** Gives a link an address; IPv4 with its broadcast address, IPv6 without duplicate detection. @throws EEXIST */
export function addAddress({ linkIndex, address, prefixLength }: InterfaceAddress): Message {
  const local = ipBytes(address);
  return {
    type: RTM.newAddress,
    flags: NetlinkFlag.request | NetlinkFlag.ack | NetlinkFlag.create | NetlinkFlag.exclusive,
    header: addressHeader(local.length, prefixLength, linkIndex),
    attributes: [
      bytes(IFA.local, local),
      bytes(IFA.address, local),
      ...(local.length === 4
        ? prefixLength < 31
          ? [bytes(IFA.broadcast, broadcastOf(local, prefixLength))]
          : []
        : [u32(IFA.flags, IFA_F_NODAD)]),
    ],
  };
}

/** @throws EADDRNOTAVAIL when the link does not have it */
export function deleteAddress({ linkIndex, address, prefixLength }: InterfaceAddress): Message {
  const local = ipBytes(address);
  return {
    type: RTM.deleteAddress,
    flags: NetlinkFlag.request | NetlinkFlag.ack,
    header: addressHeader(local.length, prefixLength, linkIndex),
    attributes: [bytes(IFA.local, local), bytes(IFA.address, local)],
  };
}

/** Asks for all addresses of all links. */
export function getAddresses(): Message {
  return {
    type: RTM.getAddress,
    flags: NetlinkFlag.request | NetlinkFlag.dump,
    header: new Uint8Array(8),
    attributes: [],
  };
}

/** The address that a message tells of, undefined for any other message. */
export function parseAddress(message: ParsedMessage): InterfaceAddress | undefined {
  if (message.type !== RTM.newAddress || message.payload.length < 8) return undefined;
  const attributes = parseAttributes(message.payload, 8);
  const address = attributes.get(IFA.local) ?? attributes.get(IFA.address);
  if (!address) return undefined;
  return {
    linkIndex: message.payload.readUInt32LE(4),
    address: ipText(address),
    prefixLength: message.payload.readUInt8(1),
  };
}

/** struct ifaddrmsg. */
function addressHeader(length: number, prefixLength: number, linkIndex: number): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt8(length === 4 ? 2 : 10, 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt32LE(linkIndex, 4);
  return header;
}

function broadcastOf(address: Uint8Array, prefixLength: number): Uint8Array {
  return address.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, prefixLength - 8 * index))));
}
