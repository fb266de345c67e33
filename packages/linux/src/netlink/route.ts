import { ipBytes, ipText } from '../ip-address.ts';
import { type Attribute, bytes, type Message, NetlinkFlag, nest, text, u32 } from './message.ts';
import { attributeText, type ParsedMessage, parseAttributes } from './parse.ts';

/** @see linux/rtnetlink.h */
const RTM = { newRoute: 24, deleteRoute: 25, getRoute: 26 } as const;
const RTA = { destination: 1, outLink: 4, gateway: 5, preferredSource: 7, metrics: 8, table: 15 } as const;
/** RTAX_CC_ALGO. */
const CONGESTION_METRIC = 16;
const TABLE_MAIN = 254;
const PROTOCOL = { kernel: 2, boot: 3 } as const;
const SCOPE = { universe: 0, link: 253, any: 255 } as const;
const TYPE_UNICAST = 1;

/** A route; without `destination` the default one. */
export type Route = {
  readonly family: 4 | 6;
  readonly destination?: { readonly address: string; readonly prefixLength: number };
  readonly gateway?: string;
  readonly linkIndex?: number;
  readonly preferredSource?: string;
  /** How TCP controls congestion on this way, whatever the default of the namespace: `reno`. */
  readonly congestion?: string;
};

/** @throws EEXIST, ENETUNREACH (the gateway is on no link) */
export function addRoute(route: Route): Message {
  return routeMessage(RTM.newRoute, NetlinkFlag.create | NetlinkFlag.exclusive, route);
}

/**
 * Writes the route that the kernel made for an address of a link once more, as its own: it goes with the address still.
 * @throws ENETDOWN (the link is down)
 */
export function replaceAddressRoute(route: Route): Message {
  const message = routeMessage(RTM.newRoute, NetlinkFlag.create | NetlinkFlag.replace, route);
  message.header[5] = PROTOCOL.kernel;
  return message;
}

/** @throws ESRCH when there is none */
export function deleteRoute(route: Route): Message {
  return routeMessage(RTM.deleteRoute, 0, route);
}

/** Asks for all routes of both families (or of one) in all tables. */
export function getRoutes(family?: 4 | 6): Message {
  const header = Buffer.alloc(12);
  header.writeUInt8(family === undefined ? 0 : family === 4 ? 2 : 10, 0);
  return { type: RTM.getRoute, flags: NetlinkFlag.request | NetlinkFlag.dump, header, attributes: [] };
}

/** The unicast route of the main table that a message tells of, undefined for any other message. */
export function parseRoute(message: ParsedMessage): Route | undefined {
  const { payload } = message;
  if (message.type !== RTM.newRoute || payload.length < 12) return undefined;
  const attributes = parseAttributes(payload, 12);
  const table = attributes.get(RTA.table)?.readUInt32LE(0) ?? payload.readUInt8(4);
  if (table !== TABLE_MAIN || payload.readUInt8(7) !== TYPE_UNICAST) return undefined;
  const destination = attributes.get(RTA.destination);
  const gateway = attributes.get(RTA.gateway);
  const source = attributes.get(RTA.preferredSource);
  const metrics = attributes.get(RTA.metrics);
  const congestion = metrics && attributeText(parseAttributes(metrics).get(CONGESTION_METRIC));
  return {
    family: payload.readUInt8(0) === 2 ? 4 : 6,
    destination: destination && { address: ipText(destination), prefixLength: payload.readUInt8(1) },
    gateway: gateway && ipText(gateway),
    linkIndex: attributes.get(RTA.outLink)?.readUInt32LE(0),
    preferredSource: source && ipText(source),
    ...(congestion ? { congestion } : {}),
  };
}

function routeMessage(type: number, flags: number, route: Route): Message {
  const { destination, gateway, linkIndex, preferredSource, congestion } = route;
  const header = Buffer.alloc(12);
  header.writeUInt8(route.family === 4 ? 2 : 10, 0);
  header.writeUInt8(destination?.prefixLength ?? 0, 1);
  header.writeUInt8(TABLE_MAIN, 4);
  header.writeUInt8(PROTOCOL.boot, 5);
  // A route is deleted whatever its scope: with the link's alone, one through a gateway would not be found.
  const scope = gateway === undefined ? SCOPE.link : SCOPE.universe;
  header.writeUInt8(type === RTM.deleteRoute ? SCOPE.any : scope, 6);
  header.writeUInt8(TYPE_UNICAST, 7);
  const attributes: Attribute[] = [];
  if (destination) attributes.push(bytes(RTA.destination, ipBytes(destination.address)));
  if (gateway !== undefined) attributes.push(bytes(RTA.gateway, ipBytes(gateway)));
  if (preferredSource !== undefined) attributes.push(bytes(RTA.preferredSource, ipBytes(preferredSource)));
  if (linkIndex !== undefined) attributes.push(u32(RTA.outLink, linkIndex));
  if (congestion !== undefined) attributes.push(nest(RTA.metrics, [text(CONGESTION_METRIC, congestion)]));
  return { type, flags: NetlinkFlag.request | NetlinkFlag.ack | flags, header, attributes };
}
