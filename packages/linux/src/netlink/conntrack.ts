import { ipText } from '../ip-address.ts';
import { type Attribute, be16, bytes, type Message, NetlinkFlag, nest, u8, u32 } from './message.ts';
import { type ParsedMessage, parseAttributes } from './parse.ts';

/** @see linux/netfilter/nfnetlink_conntrack.h */
const SUBSYSTEM = 1;
const CT = { new: 0, get: 1, delete: 2 } as const;
const CTA = { original: 1, reply: 2, filter: 25 } as const;
const TUPLE = { ip: 1, protocol: 2 } as const;
const IP = { v4Source: 1, v4Destination: 2, v6Source: 3, v6Destination: 4 } as const;
const PROTOCOL = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const FILTER_ORIGINAL = 1;
const FILTER_REPLY = 2;
const BY = { protocolNumber: 1 << 3, destinationPort: 1 << 5 } as const;
const UDP = 17;
const FAMILY = { 4: 2, 6: 10 } as const;

/** One connection that the kernel tracks, as its first packet and the answer to that have it. */
export type TrackedConnection = {
  readonly destination: string;
  readonly destinationPort: number;
  /** Who answers: another than the destination when that was translated. */
  readonly answeredBy: string;
  /** The first packet's tuple, by which the entry is deleted. */
  readonly tuple: Uint8Array;
};

/** Asks for the tracked UDP connections to a port, or to any; kernels before 5.8 answer with all there are. */
export function getUdpConnections(destinationPort?: number, family: 4 | 6 = 4): Message {
  const only = destinationPort === undefined ? [] : [be16(PROTOCOL.destinationPort, destinationPort)];
  const flags = BY.protocolNumber | (destinationPort === undefined ? 0 : BY.destinationPort);
  return conntrackMessage(CT.get, NetlinkFlag.dump, family, [
    nest(CTA.original, [nest(TUPLE.protocol, [u8(PROTOCOL.number, UDP), ...only])]),
    nest(CTA.filter, [u32(FILTER_ORIGINAL, flags), u32(FILTER_REPLY, 0)]),
  ]);
}

/** Forgets a connection. @throws ENOENT */
export function deleteConnection(connection: TrackedConnection): Message {
  const family = connection.destination.includes(':') ? 6 : 4;
  return conntrackMessage(CT.delete, NetlinkFlag.ack, family, [bytes(CTA.original | 0x8000, connection.tuple)]);
}

/** The UDP connection that a message tells of, undefined for any other. */
export function parseUdpConnection(message: ParsedMessage): TrackedConnection | undefined {
  if (message.type !== ((SUBSYSTEM << 8) | CT.new)) return undefined;
  const attributes = parseAttributes(message.payload, 4);
  const tuple = attributes.get(CTA.original);
  const reply = attributes.get(CTA.reply);
  if (!tuple || !reply) return undefined;
  const original = parseAttributes(tuple);
  const ip = original.get(TUPLE.ip);
  const protocol = original.get(TUPLE.protocol);
  const replyIp = parseAttributes(reply).get(TUPLE.ip);
  if (!ip || !protocol || !replyIp) return undefined;
  const numbers = parseAttributes(protocol);
  const addresses = parseAttributes(ip);
  const destination = addresses.get(IP.v4Destination) ?? addresses.get(IP.v6Destination);
  const answers = parseAttributes(replyIp);
  const answeredBy = answers.get(IP.v4Source) ?? answers.get(IP.v6Source);
  if (numbers.get(PROTOCOL.number)?.readUInt8(0) !== UDP || !destination || !answeredBy) return undefined;
  return {
    destination: ipText(destination),
    destinationPort: numbers.get(PROTOCOL.destinationPort)?.readUInt16BE(0) ?? 0,
    answeredBy: ipText(answeredBy),
    tuple,
  };
}

function conntrackMessage(type: number, flags: number, family: 4 | 6, attributes: readonly Attribute[]): Message {
  return {
    type: (SUBSYSTEM << 8) | type,
    flags: NetlinkFlag.request | flags,
    header: Uint8Array.of(FAMILY[family], 0, 0, 0),
    attributes,
  };
}
