import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { DatagramBatch } from '@gantry/linux';
import { Forwarder } from './forwarder.ts';
import { buildReply, Code, parseQuery, questionEnd } from './message.ts';
import { OwnAnswers, type ResolverZone } from './own-answers.ts';

const MAX_CONNECTIONS = 64;
/** What a connection has sent and was not answered: a client that sends more without reading is not read on. */
const MAX_WAITING_BYTES = 256 * 1024;
const IDLE_MS = 10_000;
/** The longest question, and the longest answer in a datagram that is our own. */
const DATAGRAM_BYTES = 4096;
const BATCH = 32;
/** Batches of one container before the event loop turns: a flood costs the others this much, about 0.2 ms. */
const BATCHES_A_TURN = 2;

// One for all containers: nothing stays in it between two turns of the event loop.
let batch: DatagramBatch | undefined;

/** Answers a container's questions on sockets that somebody else holds: closing it leaves them open. */
export class Resolver implements Disposable {
  readonly #zone: ResolverZone;
  readonly #own: OwnAnswers;
  readonly #forwarder: Forwarder;
  readonly #udp: UdpSocket;
  readonly #fd: number;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #closed = false;

  /** @param sockets descriptors of a bound UDP and a listening TCP socket, which are taken over */
  constructor(sockets: { readonly udp: number; readonly tcp: number }, zone: ResolverZone) {
    this.#zone = zone;
    this.#own = new OwnAnswers(zone);
    this.#forwarder = new Forwarder();
    this.#fd = sockets.udp;
    this.#udp = createSocket('udp4');
    this.#udp.on('error', () => {});
    this.#udp.on('message', (message, from) => {
      this.#datagram(message, from);
      this.#drain();
    });
    this.#udp.bind({ fd: sockets.udp });
    this.#tcp = createServer(socket => this.#serve(socket));
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on('error', () => {});
    this.#tcp.listen({ fd: sockets.tcp });
  }

  /** The first of what came, by Node; the rest without it. */
  #datagram(message: Buffer, from: { readonly port: number; readonly address: string }): void {
    const end = questionEnd(message);
    if (end === 0) return;
    const room = Buffer.allocUnsafe(DATAGRAM_BYTES);
    const size = this.#own.write(message, end, room);
    if (size > 0) this.#send(room.subarray(0, size), from);
    else this.#forward(message, from);
  }

  /** What else waits in the socket: questions come together when there are many. */
  #drain(): void {
    batch ??= new DatagramBatch(BATCH, DATAGRAM_BYTES);
    for (let turn = 0; turn < BATCHES_A_TURN && !this.#closed; turn++) {
      const count = batch.receive(this.#fd);
      for (let index = 0; index < count; index++) {
        const message = batch.message(index);
        const end = questionEnd(message);
        if (end === 0) continue;
        const size = this.#own.write(message, end, batch.room);
        if (size > 0) batch.answer(index, size);
        else this.#forward(Buffer.from(message), batch.source(index));
      }
      batch.flush(this.#fd);
      if (count < BATCH) return;
    }
  }

  #forward(message: Buffer, from: { readonly port: number; readonly address: string }): void {
    void this.#forwarded(message, 'udp').then(reply => {
      if (reply) this.#send(reply, from);
    });
  }

  #send(reply: Buffer, { port, address }: { readonly port: number; readonly address: string }): void {
    if (this.#closed) return;
    try {
      this.#udp.send(reply, port, address, () => {});
    } catch {
      // Closed meanwhile: the container asks again.
    }
  }

  #serve(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    let work: Promise<unknown> = Promise.resolve();
    let waiting = 0;
    this.#connections.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk]);
      waiting += chunk.length;
      if (waiting > MAX_WAITING_BYTES) {
        socket.destroy();
        return;
      }
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const message = rest.subarray(2, 2 + rest.readUInt16BE(0));
        rest = rest.subarray(2 + message.length);
        // In order, and one at a time: a client that sends without reading is not read on.
        socket.pause();
        work = work.then(async () => {
          const reply = await this.#answerByTcp(message);
          waiting -= message.length + 2;
          if (!reply) socket.destroy();
          else if (!socket.destroyed)
            socket.write(Buffer.concat([Buffer.of(reply.length >>> 8, reply.length & 255), reply]));
          socket.resume();
        });
      }
    });
  }

  async #answerByTcp(message: Buffer): Promise<Buffer | undefined> {
    const end = questionEnd(message);
    if (end === 0) return undefined;
    const room = Buffer.allocUnsafe(65_535);
    const size = this.#own.write(message, end, room, true);
    return size > 0 ? room.subarray(0, size) : this.#forwarded(message, 'tcp');
  }

  async #forwarded(message: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const query = parseQuery(message);
    if (!query) return undefined;
    const reply = await this.#forwarder.ask(message, this.#zone.upstreams(), protocol);
    return reply ?? buildReply(query, message, Code.serverFailure);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#udp.close();
    this.#tcp.close();
    for (const socket of this.#connections) socket.destroy();
  }
}
