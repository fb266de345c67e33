import { ipBytes, ipText } from '@gantry/linux';

/** DNS messages as far as a resolver for containers needs them. @see RFC 1035, section 4 */

export const Type = { a: 1, ptr: 12, aaaa: 28, any: 255 } as const;
export const Code = { ok: 0, formatError: 1, serverFailure: 2, notFound: 3, notImplemented: 4, refused: 5 } as const;

const HEADER = 12;
const CLASS_IN = 1;
const FLAG = { response: 0x8000, truncated: 0x0200, recursionDesired: 0x0100, recursionAvailable: 0x0080 } as const;
const OPCODE = 0x7800;
/** What fits a datagram without EDNS. */
export const PLAIN_LIMIT = 512;

export type Query = {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where the question ends in the message. */
  readonly questionEnd: number;
};

/** The question of a query with exactly one; undefined when the bytes are no such query. */
export function parseQuery(message: Buffer): Query | undefined {
  if (message.length < HEADER) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & (FLAG.response | OPCODE)) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const size = message[at];
    // A question has no pointers: there is nothing before it to point to.
    if (size === undefined || size > 63) return undefined;
    at++;
    if (size === 0) break;
    if (at + size > message.length || at + size - HEADER > 254) return undefined;
    labels.push(message.toString('latin1', at, at + size).toLowerCase());
    at += size;
  }
  if (at + 4 > message.length) return undefined;
  return {
    id: message.readUInt16BE(0),
    recursionDesired: (flags & FLAG.recursionDesired) !== 0,
    name: labels.join('.'),
    type: message.readUInt16BE(at),
    class: message.readUInt16BE(at + 2),
    questionEnd: at + 4,
  };
}

const OPT = 41;

/**
 * The longest answer that a client takes in a datagram: what its OPT record says, which is last and alone in what
 * clients send; else 512 bytes.
 * @see RFC 6891, section 6.2.3
 */
export function datagramLimit(message: Buffer, questionEnd: number): number {
  if (message.length < questionEnd + 11 || message.readUInt16BE(10) !== 1) return PLAIN_LIMIT;
  if (message[questionEnd] !== 0 || message.readUInt16BE(questionEnd + 1) !== OPT) return PLAIN_LIMIT;
  return Math.max(PLAIN_LIMIT, message.readUInt16BE(questionEnd + 3));
}

/**
 * Where the question of a query ends, without a look at its name: 0 when the bytes are no query with one question.
 * What an answer depends on is between the header and there.
 */
export function questionEnd(message: Buffer): number {
  const { length } = message;
  if (length < HEADER + 5) return 0;
  // Not an answer, a plain query, one question.
  if (((message[2] ?? 0xff) & 0xf8) !== 0 || message[4] !== 0 || message[5] !== 1) return 0;
  let at = HEADER;
  for (;;) {
    const size = message[at] ?? 64;
    if (size === 0) break;
    at += size + 1;
    if (size > 63 || at >= length || at - HEADER > 254) return 0;
  }
  return at + 5 > length ? 0 : at + 5;
}

export type Answer =
  | { readonly type: typeof Type.a | typeof Type.aaaa; readonly address: string; readonly ttl: number }
  | { readonly type: typeof Type.ptr; readonly name: string; readonly ttl: number };

/** The reply to a parsed query, with its own question in front. */
export function buildReply(query: Query, message: Buffer, code: number, answers: readonly Answer[] = []): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(query.id, 0);
  const desired = query.recursionDesired ? FLAG.recursionDesired : 0;
  header.writeUInt16BE(FLAG.response | desired | FLAG.recursionAvailable | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, message.subarray(HEADER, query.questionEnd), ...answers.map(record)]);
}

/** A reply that says: ask by TCP. */
export function truncated(query: Query, message: Buffer): Buffer {
  const reply = buildReply(query, message, Code.ok);
  reply.writeUInt16BE(reply.readUInt16BE(2) | FLAG.truncated, 2);
  return reply;
}

export const isTruncated = (reply: Buffer): boolean =>
  reply.length > 3 && (reply.readUInt16BE(2) & FLAG.truncated) !== 0;

function record(answer: Answer): Buffer {
  const data = answer.type === Type.ptr ? nameBytes(answer.name) : ipBytes(answer.address);
  const head = Buffer.alloc(12);
  // The name is the question's, which every message has at the same place.
  head.writeUInt16BE(0xc000 | HEADER, 0);
  head.writeUInt16BE(answer.type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(answer.ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter(label => label !== '');
  const parts = labels.flatMap(label => {
    const bytes = Buffer.from(label, 'latin1').subarray(0, 63);
    return [Buffer.of(bytes.length), bytes];
  });
  return Buffer.concat([...parts, Buffer.of(0)]);
}

/** `4.3.2.1.in-addr.arpa` to 1.2.3.4, 32 nibbles below `ip6.arpa` to IPv6; undefined for any other name. */
export function reverseAddress(name: string): string | undefined {
  const nibbles = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (nibbles !== undefined) {
    return ipText(Buffer.from(nibbles.split('.').reverse().join(''), 'hex'));
  }
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  return match?.slice(1).reverse().join('.');
}
