import { type Answer, buildReply, Code, datagramLimit, parseQuery, reverseAddress, Type } from './message.ts';

/** What one container can find by name. */
export type ResolverZone = {
  /** Changes whenever an answer of the zone may have become another one. */
  readonly version: () => number;
  /** Addresses of a name, in lower case; undefined when it is none of ours. */
  readonly addresses: (
    name: string,
  ) => { readonly ipv4: readonly string[]; readonly ipv6: readonly string[] } | undefined;
  /** The name of an address of the container's networks. */
  readonly name: (address: string) => string | undefined;
  /** Where other questions go, in order; none for a container that may not reach the outside. */
  readonly upstreams: () => readonly string[];
};

const TTL_SECONDS = 600;
/** Questions whose answers are kept, for each container, and their bytes. */
const KEPT = 256;
const KEPT_BYTES = 256 * 1024;
/** Orders of a name's addresses. */
const MOST_TURNS = 32;

/** An encoded answer: one of each turn of its addresses; empty when the question is none of ours. */
type Kept = { readonly turns: readonly Buffer[]; next: number };

/**
 * Answers to what a zone knows. They are encoded once for each question, and for each address that may stand first:
 * a question asked again costs a look-up and a copy.
 */
export class OwnAnswers {
  readonly #zone: ResolverZone;
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  #version = -1;

  constructor(zone: ResolverZone) {
    this.#zone = zone;
  }

  /**
   * Writes the answer to a query into `room`, cut for a datagram when it does not fit what the client takes.
   * @param end where its question ends
   * @returns its size, 0 when the name is none of ours
   */
  write(message: Buffer, end: number, room: Buffer, overTcp = false): number {
    const kept = this.#find(message, end);
    const { turns } = kept;
    if (turns.length === 0) return 0;
    const reply = turns[kept.next++ % turns.length];
    if (!reply) return 0;
    const cut = reply.length > room.length || (!overTcp && reply.length > datagramLimit(message, end));
    const size = cut ? end : reply.length;
    reply.copy(room, 0, 0, size);
    room[0] = message[0] ?? 0;
    room[1] = message[1] ?? 0;
    // Whether recursion was asked for is repeated, as the question is, in its own letters.
    room[2] = ((reply[2] ?? 0) & 0xfe) | ((message[2] ?? 0) & 1) | (cut ? 2 : 0);
    if (cut) room.fill(0, 6, 8);
    return size;
  }

  #find(message: Buffer, end: number): Kept {
    const version = this.#zone.version();
    if (version !== this.#version) {
      this.#forget();
      this.#version = version;
    }
    const key = message.toString('latin1', 12, end);
    const known = this.#kept.get(key);
    if (known) return known;
    const kept = { turns: this.#encode(message), next: 0 };
    // Whoever asks for many names makes his own answers slower, and nobody's memory grows.
    this.#keptBytes += kept.turns.reduce((sum, turn) => sum + turn.length, key.length);
    if (this.#kept.size >= KEPT || this.#keptBytes > KEPT_BYTES) this.#forget();
    this.#kept.set(key, kept);
    return kept;
  }

  #forget(): void {
    this.#kept.clear();
    this.#keptBytes = 0;
  }

  #encode(message: Buffer): Buffer[] {
    const query = parseQuery(message);
    if (query?.class !== 1) return [];
    const turns = this.#turns(query.name, query.type);
    return turns?.map(answers => buildReply(query, message, Code.ok, answers)) ?? [];
  }

  /** The records of a name of ours, none when it has no such records, in each order; undefined when it is not ours. */
  #turns(name: string, type: number): Answer[][] | undefined {
    const address = type === Type.ptr ? reverseAddress(name) : undefined;
    if (address !== undefined) {
      const found = this.#zone.name(address);
      return found === undefined ? undefined : [[{ type: Type.ptr, name: found, ttl: TTL_SECONDS }]];
    }
    const known = this.#zone.addresses(name);
    if (!known) return undefined;
    const records = [
      ...(type === Type.a || type === Type.any ? known.ipv4.map(one => ({ type: Type.a, address: one })) : []),
      ...(type === Type.aaaa || type === Type.any ? known.ipv6.map(one => ({ type: Type.aaaa, address: one })) : []),
    ].map(record => ({ ...record, ttl: TTL_SECONDS }));
    if (records.length === 0) return [[]];
    return records.slice(0, MOST_TURNS).map((_, first) => [...records.slice(first), ...records.slice(0, first)]);
  }
}
