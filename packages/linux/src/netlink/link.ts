import { type Attribute, bytes, type Message, NetlinkFlag, nest, text, u8, u32 } from './message.ts';
import { attributeText, type ParsedMessage, parseAttributes } from './parse.ts';

/** @see linux/rtnetlink.h, linux/if_link.h */
const RTM = { newLink: 16, deleteLink: 17, getLink: 18, setLink: 19 } as const;
const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  protocolInfo: 12,
  linkInfo: 18,
  netNsPid: 19,
  afSpec: 26,
  netNsFd: 28,
} as const;
const INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const VETH_PEER = 1;
const BRIDGE_MULTICAST_SNOOPING = 23;
const BRIDGE_PORT = { state: 1, hairpin: 4, flush: 24, isolated: 33 } as const;
const BRIDGE_PORT_DISABLED = 0;
const IFF_UP = 1;
const AF_BRIDGE = 7;
const AF_INET6 = 10;
const INET6_ADDRESS_GENERATION = 8;
const ADDRESS_GENERATION_NONE = 1;

export type LinkRef = { readonly name: string } | { readonly index: number };

export type LinkSettings = {
  readonly up?: boolean;
  readonly mtu?: number;
  /** `02:42:ac:11:00:02`. */
  readonly macAddress?: string;
  /** Index of the bridge that this link becomes a port of; 0 for none. */
  readonly master?: number;
};

/** The namespace that a link is made in; a mark is a place in the encoded bytes to be written before they are sent. */
export type TargetNamespace =
  | { readonly pidMark: string }
  | { readonly pid: number }
  | { readonly fdMark: string }
  | { readonly fd: number };

const CREATE = NetlinkFlag.create | NetlinkFlag.exclusive;

/** Creates a bridge, without spanning tree; multicast snooping is the kernel's default unless given. */
export function createBridge(
  name: string,
  settings: LinkSettings & { readonly multicastSnooping?: boolean } = {},
): Message {
  const { multicastSnooping } = settings;
  const data = multicastSnooping === undefined ? [] : [u8(BRIDGE_MULTICAST_SNOOPING, +multicastSnooping)];
  return newLink({ name }, settings, CREATE, [
    nest(IFLA.linkInfo, [text(INFO.kind, 'bridge'), ...(data.length > 0 ? [nest(INFO.data, data)] : [])]),
  ]);
}

/** Creates a veth pair: one end here, its peer directly in another namespace, so that it is never seen in this one. */
export function createVeth(
  name: string,
  settings: LinkSettings,
  // The kernel cannot bring the peer up in the same message.
  peer: Omit<LinkSettings, 'up'> & { readonly name: string; readonly namespace?: TargetNamespace },
): Message {
  const peerAttributes = [
    text(IFLA.name, peer.name),
    ...(peer.namespace ? [namespaceAttribute(peer.namespace)] : []),
    ...settingAttributes(peer),
  ];
  return newLink({ name }, settings, CREATE, [
    nest(IFLA.linkInfo, [
      text(INFO.kind, 'veth'),
      nest(INFO.data, [{ type: VETH_PEER, header: linkHeader(0, undefined), payload: peerAttributes }]),
    ]),
  ]);
}

/** Creates a link of a kind that has no peer; with a `parent`, on top of that one. */
export function newStackedLink(
  name: string,
  kind: string,
  { parent, namespace, ...settings }: LinkSettings & { readonly parent?: number; readonly namespace?: TargetNamespace },
  data: readonly Attribute[],
): Message {
  return newLink({ name }, settings, CREATE, [
    ...(parent === undefined ? [] : [u32(IFLA.link, parent)]),
    ...(namespace ? [namespaceAttribute(namespace)] : []),
    nest(IFLA.linkInfo, [text(INFO.kind, kind), ...(data.length > 0 ? [nest(INFO.data, data)] : [])]),
  ]);
}

/** Changes a link; with an index and a name the link is renamed, which fails with EEXIST when another has that name. */
export function setLink(link: LinkRef & { readonly name?: string }, settings: LinkSettings): Message {
  return newLink(link, settings, 0, []);
}

/** Moves a link to another namespace, under the same name. */
export function moveLink(link: LinkRef, namespace: TargetNamespace): Message {
  return newLink(link, {}, 0, [namespaceAttribute(namespace)]);
}

/** Stops the kernel from giving the link an IPv6 link-local address. @throws EAFNOSUPPORT (kernel without IPv6) */
export function withoutLinkLocal(link: LinkRef): Message {
  return newLink(link, {}, 0, [
    nest(IFLA.afSpec, [nest(AF_INET6, [u8(INET6_ADDRESS_GENERATION, ADDRESS_GENERATION_NONE)])]),
  ]);
}

/**
 * Lets no frame in or out by a bridge port, and forgets the addresses that were seen behind it. Unlike taking the link down or
 * deleting it, that waits for nothing. By its index, since the kernel knows no names here; and in this form of message, since the
 * other one opens the port again at its end.
 * @throws ENODEV, EINVAL (it is no port of a bridge), ENETDOWN
 */
export function closeBridgePort(index: number): Message {
  const header = linkHeader(index, undefined);
  header[0] = AF_BRIDGE;
  return {
    type: RTM.setLink,
    flags: NetlinkFlag.request | NetlinkFlag.ack,
    header,
    attributes: [
      nest(IFLA.protocolInfo, [
        u8(BRIDGE_PORT.state, BRIDGE_PORT_DISABLED),
        { type: BRIDGE_PORT.flush, payload: Buffer.alloc(0) },
      ]),
    ],
  };
}

/** Changes a bridge port: isolated ports do not reach each other, only ports that are not isolated. */
export function setBridgePort(
  link: LinkRef,
  settings: { readonly isolated?: boolean; readonly hairpin?: boolean },
): Message {
  const data = [
    ...(settings.isolated === undefined ? [] : [u8(BRIDGE_PORT.isolated, +settings.isolated)]),
    ...(settings.hairpin === undefined ? [] : [u8(BRIDGE_PORT.hairpin, +settings.hairpin)]),
  ];
  return newLink(link, {}, 0, [nest(IFLA.linkInfo, [text(INFO.slaveKind, 'bridge'), nest(INFO.slaveData, data)])]);
}

/** @throws ENODEV when there is no such link */
export function deleteLink(link: LinkRef): Message {
  return { ...newLink(link, {}, 0, []), type: RTM.deleteLink };
}

/** Asks for one link, or for all. */
export function getLink(link?: LinkRef): Message {
  if (link) return { ...newLink(link, {}, 0, []), type: RTM.getLink };
  return {
    type: RTM.getLink,
    flags: NetlinkFlag.request | NetlinkFlag.dump,
    header: linkHeader(0, undefined),
    attributes: [],
  };
}

export type Link = {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly macAddress: string;
  /** Index of its bridge, 0 for none. */
  readonly master: number;
  /** `bridge`, `veth`, ...; empty for a physical one. */
  readonly kind: string;
};

/** The link that a message tells of, undefined for any other message. */
export function parseLink(message: ParsedMessage): Link | undefined {
  if (message.type !== RTM.newLink || message.payload.length < 16) return undefined;
  const attributes = parseAttributes(message.payload, 16);
  const info = attributes.get(IFLA.linkInfo);
  return {
    index: message.payload.readInt32LE(4),
    name: attributeText(attributes.get(IFLA.name)),
    up: (message.payload.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: attributes.get(IFLA.mtu)?.readUInt32LE(0) ?? 0,
    macAddress: formatMac(attributes.get(IFLA.address) ?? new Uint8Array()),
    master: attributes.get(IFLA.master)?.readUInt32LE(0) ?? 0,
    kind: info ? attributeText(parseAttributes(info).get(INFO.kind)) : '',
  };
}

/** `02:42:ac:11:00:02` to its six bytes. @throws RangeError for anything else */
export function parseMac(value: string): Uint8Array {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(value)) throw new RangeError(`${value} is not a MAC address`);
  return Uint8Array.from(value.split(/[:-]/), part => Number.parseInt(part, 16));
}

export function formatMac(value: Uint8Array): string {
  return Array.from(value, byte => byte.toString(16).padStart(2, '0')).join(':');
}

function newLink(
  link: { readonly name?: string; readonly index?: number },
  settings: LinkSettings,
  flags: number,
  attributes: readonly Attribute[],
): Message {
  return {
    type: RTM.newLink,
    flags: NetlinkFlag.request | NetlinkFlag.ack | flags,
    header: linkHeader(link.index ?? 0, settings.up),
    attributes: [
      ...(link.name === undefined ? [] : [text(IFLA.name, link.name)]),
      ...settingAttributes(settings),
      ...attributes,
    ],
  };
}

function settingAttributes(settings: LinkSettings): Attribute[] {
  const attributes: Attribute[] = [];
  if (settings.mtu !== undefined) attributes.push(u32(IFLA.mtu, settings.mtu));
  if (settings.macAddress !== undefined) attributes.push(bytes(IFLA.address, parseMac(settings.macAddress)));
  if (settings.master !== undefined) attributes.push(u32(IFLA.master, settings.master));
  return attributes;
}

function namespaceAttribute(namespace: TargetNamespace): Attribute {
  if ('pid' in namespace) return u32(IFLA.netNsPid, namespace.pid);
  if ('fd' in namespace) return u32(IFLA.netNsFd, namespace.fd);
  if ('pidMark' in namespace) return u32(IFLA.netNsPid, 0, namespace.pidMark);
  return u32(IFLA.netNsFd, 0, namespace.fdMark);
}

/** struct ifinfomsg. */
function linkHeader(index: number, up: boolean | undefined): Uint8Array {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (up !== undefined) {
    header.writeUInt32LE(up ? IFF_UP : 0, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}
