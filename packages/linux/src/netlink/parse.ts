import { NetlinkControl } from './message.ts';

export type ParsedMessage = {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows nlmsghdr. */
  readonly payload: Buffer;
  /** With nlmsghdr and padding. */
  readonly raw: Buffer;
};

/** Reads the messages of one or several datagrams; a truncated rest is left out. */
export function parseMessages(data: Uint8Array): ParsedMessage[] {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const messages: ParsedMessage[] = [];
  for (let at = 0; at + 16 <= buffer.length; ) {
    const length = buffer.readUInt32LE(at);
    if (length < 16 || at + length > buffer.length) break;
    messages.push({
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      payload: buffer.subarray(at + 16, at + length),
      raw: buffer.subarray(at, at + ((length + 3) & ~3)),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** The attributes from `offset` of a payload, by type without its flags; of a repeated type the last one. */
export function parseAttributes(payload: Buffer, offset = 0): Map<number, Buffer> {
  return new Map(attributeList(payload, offset));
}

/** The attributes from `offset` of a payload in their order. */
export function attributeList(payload: Buffer, offset = 0): [type: number, value: Buffer][] {
  const attributes: [number, Buffer][] = [];
  for (let at = offset; at + 4 <= payload.length; ) {
    const length = payload.readUInt16LE(at);
    if (length < 4 || at + length > payload.length) break;
    attributes.push([payload.readUInt16LE(at + 2) & 0x3fff, payload.subarray(at + 4, at + length)]);
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** A string attribute without its final zero bytes. */
export function attributeText(value: Buffer | undefined): string {
  if (!value) return '';
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

/** The errno of an error message: 0 for an acknowledgement, undefined for any other message. */
export function errnoOf(message: ParsedMessage): number | undefined {
  return message.type === NetlinkControl.error && message.payload.length >= 4
    ? -message.payload.readInt32LE(0)
    : undefined;
}
