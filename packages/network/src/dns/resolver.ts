import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { forward } from './forward.ts';
import { type Answer, buildReply, Code, PLAIN_LIMIT, parseQuery, reverseAddress, Type, truncated } from './message.ts';

/** What one container can find by name. */
export type ResolverZone = {
  /** Addresses of a name, in lower case; undefined when it is none of ours. */
  readonly addresses: (name: string) => readonly string[] | undefined;
  /** The name of an address of the container's networks. */
  readonly name: (address: string) => string | undefined;
  /** Where other questions go, in order; none for a container that may not reach the outside. */
  readonly upstreams: () => readonly string[];
};

const TTL_SECONDS = 600;
/** Questions of one container that wait for an upstream at a time. */
const MAX_FORWARDED = 1024;
const MAX_CONNECTIONS = 64;
const IDLE_MS = 10_000;

/** Answers a container's questions on sockets that somebody else holds: closing it leaves them open. */
export class Resolver implements Disposable {
  readonly #zone: ResolverZone;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #forwarded = 0;
  #turn = 0;

  /** @param sockets descriptors of a bound UDP and a listening TCP socket, which are taken over */
  constructor(sockets: { readonly udp: number; readonly tcp: number }, zone: ResolverZone) {
    this.#zone = zone;
    this.#udp = createSocket('udp4');
    this.#udp.on('error', () => {});
    this.#udp.on('message', (message, from) => {
      void this.#answer(message, 'udp').then(reply => {
        if (reply) this.#send(reply, from.port, from.address);
      });
    });
    this.#udp.bind({ fd: sockets.udp });
    this.#tcp = createServer(socket => this.#serve(socket));
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on('error', () => {});
    this.#tcp.listen({ fd: sockets.tcp });
  }

  #send(reply: Buffer, port: number, address: string): void {
    try {
      this.#udp.send(reply, port, address, () => {});
    } catch {
      // Closed meanwhile: the container asks again.
    }
  }

  #serve(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    let work: Promise<unknown> = Promise.resolve();
    this.#connections.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const message = rest.subarray(2, 2 + rest.readUInt16BE(0));
        rest = rest.subarray(2 + message.length);
        // In order, and one at a time: a client that sends without reading is not read on.
        socket.pause();
        work = work.then(async () => {
          const reply = await this.#answer(message, 'tcp');
          if (!reply) socket.destroy();
          else if (!socket.destroyed)
            socket.write(Buffer.concat([Buffer.of(reply.length >>> 8, reply.length & 255), reply]));
          socket.resume();
        });
      }
    });
  }

  async #answer(message: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const query = parseQuery(message);
    if (!query) return undefined;
    const own = this.#own(query.name, query.type);
    if (own) {
      const reply = buildReply(query, message, Code.ok, own);
      return protocol === 'udp' && reply.length > PLAIN_LIMIT ? truncated(query, message) : reply;
    }
    const upstreams = this.#zone.upstreams();
    if (upstreams.length === 0 || this.#forwarded >= MAX_FORWARDED) {
      return buildReply(query, message, Code.serverFailure);
    }
    this.#forwarded++;
    try {
      return (await forward(message, upstreams, protocol)) ?? buildReply(query, message, Code.serverFailure);
    } finally {
      this.#forwarded--;
    }
  }

  /** The records of a name of ours, none when it has no such records; undefined when it is not ours. */
  #own(name: string, type: number): Answer[] | undefined {
    const address = type === Type.ptr ? reverseAddress(name) : undefined;
    if (address !== undefined) {
      const found = this.#zone.name(address);
      return found === undefined ? undefined : [{ type: Type.ptr, name: found, ttl: TTL_SECONDS }];
    }
    const addresses = this.#zone.addresses(name);
    if (!addresses) return undefined;
    if (type !== Type.a && type !== Type.any) return [];
    const first = addresses.length === 0 ? 0 : this.#turn++ % addresses.length;
    return [...addresses.slice(first), ...addresses.slice(0, first)].map(one => ({
      type: Type.a,
      address: one,
      ttl: TTL_SECONDS,
    }));
  }

  [Symbol.dispose](): void {
    this.#udp.close();
    this.#tcp.close();
    for (const socket of this.#connections) socket.destroy();
  }
}
