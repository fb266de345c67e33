/** Protocols of netlink sockets. @see linux/netlink.h */
export const NetlinkProtocol = { route: 0, netfilter: 12 } as const;

/** Flags of a netlink message. @see linux/netlink.h */
export const NetlinkFlag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** For get: all that matches. */
  dump: 0x300,
  /** For new: change what exists. */
  replace: 0x100,
  /** For new: fail with EEXIST when it exists. */
  exclusive: 0x200,
  /** For new: make it when it does not exist. */
  create: 0x400,
  /** For new: after what exists. */
  append: 0x800,
} as const;

/** Types of messages that every protocol has. */
export const NetlinkControl = { noop: 1, error: 2, done: 3 } as const;

const NESTED = 0x8000;
const HEADER_BYTES = 16;

/** A typed value of a message, or a list of such values. `mark` names the place of its payload in the encoded bytes. */
export type Attribute = {
  readonly type: number;
  readonly payload: Uint8Array | readonly Attribute[];
  /** A fixed structure before the list (the peer of a veth); its length is a multiple of 4. */
  readonly header?: Uint8Array;
  readonly mark?: string;
};

export type Message = {
  readonly type: number;
  readonly flags: number;
  /** The fixed structure that follows nlmsghdr: ifinfomsg, nfgenmsg, ... */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
};

/** Messages as they are sent, with the offsets of the marked payloads. */
export type Encoded = { readonly bytes: Uint8Array; readonly marks: ReadonlyMap<string, number> };

export function u8(type: number, value: number): Attribute {
  return { type, payload: Uint8Array.of(value) };
}

export function u16(type: number, value: number): Attribute {
  return { type, payload: Uint8Array.of(value & 255, (value >> 8) & 255) };
}

/** A number in the order of the host. */
export function u32(type: number, value: number, mark?: string): Attribute {
  return { type, payload: hostOrder32(value), mark };
}

/** A number in network order, as nf_tables and conntrack have them. */
export function be32(type: number, value: number): Attribute {
  return { type, payload: networkOrder32(value) };
}

export function be16(type: number, value: number): Attribute {
  return { type, payload: networkOrder16(value) };
}

/** A string with its final zero byte. */
export function text(type: number, value: string): Attribute {
  return { type, payload: Buffer.from(`${value}\0`) };
}

export function bytes(type: number, payload: Uint8Array): Attribute {
  return { type, payload };
}

export function nest(type: number, payload: readonly Attribute[]): Attribute {
  return { type, payload };
}

export function hostOrder32(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255);
}

export function networkOrder32(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

export function networkOrder16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 255, value & 255);
}

/** Encodes `messages` one after the other, numbered from 1. @see netlink(7), linux/netlink.h */
export function encode(messages: readonly Message[]): Encoded {
  const marks = new Map<string, number>();
  const size = messages.reduce((sum, message) => sum + align(messageBytes(message)), 0);
  const buffer = Buffer.alloc(size);
  let at = 0;
  for (const [index, message] of messages.entries()) {
    const length = messageBytes(message);
    buffer.writeUInt32LE(length, at);
    buffer.writeUInt16LE(message.type, at + 4);
    buffer.writeUInt16LE(message.flags, at + 6);
    buffer.writeUInt32LE(index + 1, at + 8);
    buffer.set(message.header, at + HEADER_BYTES);
    writeAttributes(buffer, at + HEADER_BYTES + align(message.header.length), message.attributes, marks);
    at += align(length);
  }
  return { bytes: buffer, marks };
}

function messageBytes(message: Message): number {
  return HEADER_BYTES + align(message.header.length) + attributesBytes(message.attributes);
}

function attributesBytes(attributes: readonly Attribute[]): number {
  let size = 0;
  for (const attribute of attributes) size += 4 + align(payloadBytes(attribute));
  return size;
}

function payloadBytes({ payload, header }: Attribute): number {
  return payload instanceof Uint8Array ? payload.length : (header?.length ?? 0) + attributesBytes(payload);
}

function writeAttributes(
  buffer: Buffer,
  start: number,
  attributes: readonly Attribute[],
  marks: Map<string, number>,
): void {
  let at = start;
  for (const attribute of attributes) {
    const { type, payload, header, mark } = attribute;
    const size = payloadBytes(attribute);
    buffer.writeUInt16LE(4 + size, at);
    if (mark !== undefined) marks.set(mark, at + 4);
    if (payload instanceof Uint8Array) {
      buffer.writeUInt16LE(type, at + 2);
      buffer.set(payload, at + 4);
    } else {
      buffer.writeUInt16LE(type | NESTED, at + 2);
      if (header) buffer.set(header, at + 4);
      writeAttributes(buffer, at + 4 + (header?.length ?? 0), payload, marks);
    }
    at += 4 + align(size);
  }
}

function align(length: number): number {
  return (length + 3) & ~3;
}
