import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { isGantryError, messageOf, notFound, systemError } from '@gantry/errors';
import { describeErrno, receiveDescriptors, socketPair } from '@gantry/linux';
import type { Attachment, ExecRequest, ExitStatus, LogNews, RunningExec, Shim } from '../launch.ts';
import { PROTOCOL_VERSION } from '../plan/encode.ts';
import type { Step } from '../plan/steps.ts';
import { type ClientEnd, takeClient } from './client-socket.ts';
import { Connection } from './connection.ts';
import { readExitFile } from './exit-file.ts';
import { decodeFailure, launchError } from './failure.ts';
import { memoryRequest } from './memory-request.ts';
import { encodeTarget, type Message, MessageType } from './message.ts';
import { connectShim } from './shim-socket.ts';

type Target = 'init' | { readonly execId: string };
const idOf = (target: Target | undefined): string => (target === undefined || target === 'init' ? '' : target.execId);

type Running = RunningExec & { readonly end: (status: ExitStatus) => void };

function running(pid: number): Running {
  const { promise, resolve } = Promise.withResolvers<ExitStatus>();
  return { pid, exited: promise, end: resolve };
}

/** What a shim says first: its container runs. */
export type Hello = {
  readonly protocol: number;
  readonly pid: number;
  readonly shimPid: number;
  readonly startedAtNs: bigint;
  readonly execs: readonly (readonly [id: string, pid: number])[];
  /** Execs that ended a short while ago. */
  readonly ended: readonly (readonly [id: string, status: ExitStatus])[];
  readonly log: LogNews;
};

const NO_NEWS: LogNews = { rotations: 0, lostLines: 0 };

const decodeLogNews = (body: Buffer, at: number): LogNews => ({
  rotations: Number(body.readBigUInt64LE(at)),
  lostLines: Number(body.readBigUInt64LE(at + 8)),
});

/** Decodes a greeting; what shims of old left out is made of what they said. */
export function decodeHello(body: Buffer): Hello {
  const execs: [string, number][] = [];
  let at = 24;
  for (let count = body.readUInt32LE(20); count > 0; count--) {
    const size = body.readUInt32LE(at + 4);
    execs.push([body.toString('latin1', at + 8, at + 8 + size), body.readUInt32LE(at)]);
    at += 8 + size;
  }
  const ended: [string, ExitStatus][] = [];
  let startedAtNs = body.readBigUInt64LE(12) * 1_000_000n;
  if (at < body.length) {
    startedAtNs = body.readBigUInt64LE(at);
    let count = body.readUInt32LE(at + 8);
    at += 12;
    for (; count > 0; count--) {
      const size = body.readUInt32LE(at + 16);
      const status = exitStatus(body.readUInt32LE(at), body.readUInt32LE(at + 4), body.readBigUInt64LE(at + 8));
      ended.push([body.toString('latin1', at + 20, at + 20 + size), status]);
      at += 20 + size;
    }
  }
  return {
    protocol: body.readUInt32LE(0),
    pid: body.readUInt32LE(4),
    shimPid: body.readUInt32LE(8),
    startedAtNs,
    execs,
    ended,
    log: at + 16 <= body.length ? decodeLogNews(body, at) : NO_NEWS,
  };
}

function exitStatus(code: number, signal: number, exitedAtNs: bigint): ExitStatus {
  return { code, signal: signal === 0 ? undefined : signal, exitedAtNs };
}

function decodeExited(body: Buffer): { readonly id: string; readonly status: ExitStatus } {
  const end = 20 + body.readUInt32LE(16);
  const exitedAtNs = end < body.length ? body.readBigUInt64LE(end) : body.readBigUInt64LE(8) * 1_000_000n;
  const status = exitStatus(body.readUInt32LE(0), body.readUInt32LE(4), exitedAtNs);
  return { id: body.toString('latin1', 20, end), status };
}

/** How the first message of a shim's connection turned out. */
export type Greeting =
  | { readonly kind: 'running'; readonly shim: ShimConnection }
  | { readonly kind: 'failed'; readonly body: Buffer }
  | { readonly kind: 'foreign'; readonly protocol: number }
  | { readonly kind: 'ended' };

/** The daemon's side of one shim. */
export class ShimConnection implements Shim {
  readonly id: string;
  readonly exited: Promise<ExitStatus>;
  readonly lost: Promise<void>;
  readonly #runDir: string;
  readonly #execs = new Map<string, Running>();
  readonly #detachListeners: ((execId: string | undefined) => void)[] = [];
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #loss = Promise.withResolvers<void>();
  readonly #greeting = Promise.withResolvers<Greeting>();
  #hello: Hello = { protocol: 0, pid: 0, shimPid: 0, startedAtNs: 0n, execs: [], ended: [], log: NO_NEWS };
  readonly #logListeners: ((news: LogNews) => void)[] = [];
  #log = NO_NEWS;
  #greeted = false;
  #ended = false;
  #disposed = false;
  #connection: Connection;

  /** Use {@link greet}. */
  private constructor(id: string, runDir: string, socket: Socket) {
    this.id = id;
    this.#runDir = runDir;
    this.exited = this.#exit.promise;
    this.lost = this.#loss.promise;
    this.#connection = this.#open(socket);
  }

  /** Waits for a shim's first word on a new connection. */
  static greet(id: string, runDir: string, socket: Socket): { greeting: Promise<Greeting>; close: () => void } {
    const shim = new ShimConnection(id, runDir, socket);
    return { greeting: shim.#greeting.promise, close: () => shim.#close() };
  }

  get pid(): number {
    return this.#hello.pid;
  }

  get shimPid(): number {
    return this.#hello.shimPid;
  }

  get startedAtNs(): bigint {
    return this.#hello.startedAtNs;
  }

  get execs(): ReadonlyMap<string, RunningExec> {
    return this.#execs;
  }

  get endedExecs(): ReadonlyMap<string, ExitStatus> {
    return new Map(this.#hello.ended);
  }

  onDetach(listener: (execId: string | undefined) => void): void {
    this.#detachListeners.push(listener);
  }

  get log(): LogNews {
    return this.#log;
  }

  onLogNews(listener: (news: LogNews) => void): void {
    this.#logListeners.push(listener);
  }

  #open(socket: Socket): Connection {
    return new Connection(
      socket,
      `the shim of container ${this.id.slice(0, 12)}`,
      message => this.#receive(message),
      () => void this.#connectionEnded(),
    );
  }

  #receive({ type, body }: Message): void {
    if (type === MessageType.hello) {
      const protocol = body.readUInt32LE(0);
      if (protocol !== PROTOCOL_VERSION) {
        this.#greeting.resolve({ kind: 'foreign', protocol });
        this.#close();
        return;
      }
      this.#hello = decodeHello(body);
      for (const [id, pid] of this.#hello.execs) if (!this.#execs.has(id)) this.#execs.set(id, running(pid));
      for (const [id, status] of this.#hello.ended) this.#processEnded(id, status);
      this.#log = this.#hello.log;
      this.#greeted = true;
      this.#greeting.resolve({ kind: 'running', shim: this });
    } else if (type === MessageType.failed) {
      this.#greeting.resolve({ kind: 'failed', body });
    } else if (type === MessageType.exited) {
      const { id, status } = decodeExited(body);
      this.#processEnded(id, status);
    } else if (type === MessageType.detached) {
      const id = body.toString('latin1', 12);
      for (const listener of this.#detachListeners) listener(id === '' ? undefined : id);
    } else if (type === MessageType.logNews) {
      this.#log = decodeLogNews(body, 0);
      for (const listener of this.#logListeners) listener(this.#log);
    }
  }

  #processEnded(id: string, status: ExitStatus): void {
    if (id === '') {
      this.#ended = true;
      this.#exit.resolve(status);
      return;
    }
    this.#execs.get(id)?.end(status);
    this.#execs.delete(id);
  }

  async #connectionEnded(): Promise<void> {
    if (!this.#greeted) {
      this.#greeting.resolve({ kind: 'ended' });
      return;
    }
    if (this.#disposed) return;
    if (this.#ended) {
      // Execs end with their container; of these there was no word any more.
      const status = exitStatus(137, constants.signals.SIGKILL, BigInt(Date.now()) * 1_000_000n);
      for (const id of [...this.#execs.keys()]) this.#processEnded(id, status);
      return;
    }
    // The end may be written where the word of it did not reach us; or the shim gave up a connection that we left full.
    const exit = await readExitFile(this.#runDir);
    if (exit !== undefined) {
      this.#processEnded('', exit);
      return;
    }
    const socket = await connectShim(this.#runDir);
    if (this.#disposed) socket?.destroy();
    else if (socket !== undefined) this.#connection = this.#open(socket);
    else this.#loss.resolve();
  }

  async #ask(
    type: number,
    body: Buffer,
    descriptors: readonly number[] = [],
    release?: () => void,
    tolerated: readonly number[] = [],
  ): Promise<void> {
    const answer = await this.#connection.request({ type, body, descriptors, release });
    const errno = answer.body.readUInt32LE(0);
    if (tolerated.includes(errno)) return;
    if (errno === constants.errno.ESRCH) throw notFound('the process has ended');
    if (errno !== 0) {
      throw systemError(`the shim of container ${this.id.slice(0, 12)}: ${describeErrno(errno)}`, { cause: { errno } });
    }
  }

  async attach(attachment: Attachment, target?: Target): Promise<void> {
    const client = await takeClient(attachment.connection);
    const fd = memoryRequest({
      kind: 'attach',
      id: '',
      attachments: [{ options: attachment.options, head: client.head }],
    });
    await this.#ask(MessageType.attach, encodeTarget(0, 0, idOf(target)), [fd, client.fd], () => {
      closeSync(fd);
      client.release();
    });
  }

  resize(target: Target, rows: number, columns: number): Promise<void> {
    return this.#ask(MessageType.resize, encodeTarget(rows, columns, idOf(target)));
  }

  signal(target: Target, signal: number): Promise<void> {
    return this.#ask(MessageType.signal, encodeTarget(signal, 0, idOf(target)));
  }

  async exec(request: ExecRequest): Promise<RunningExec> {
    const clients = await Promise.all(request.attachments.map(({ connection }) => takeClient(connection)));
    try {
      const started = await this.#startExec(request, clients);
      for (const client of clients) client.release();
      return started;
    } catch (error) {
      // As dockerd: the attached client reads the error in its own stream.
      clients.forEach((client, index) => {
        const multiplexed = request.attachments[index]?.options.multiplexed ?? false;
        client.refuse(errorText(isGantryError(error) ? error.message : messageOf(error), multiplexed));
      });
      throw error;
    }
  }

  async #startExec(request: ExecRequest, clients: readonly ClientEnd[]): Promise<RunningExec> {
    const fd = memoryRequest({
      kind: 'exec',
      id: request.id,
      plan: request.plan,
      stdio: request.stdio,
      slotCount: request.slots.length,
      timeoutMs: request.timeoutMs,
      attachments: request.attachments.map(({ options }, index) => ({
        options,
        head: clients[index]?.head ?? Buffer.alloc(0),
      })),
    });
    // An exec may end before we hear that it began.
    const exec = running(0);
    this.#execs.set(request.id, exec);
    try {
      const answer = await this.#connection.request({
        type: MessageType.exec,
        descriptors: [fd, ...request.slots, ...clients.map(client => client.fd)],
        release: () => closeSync(fd),
      });
      if (answer.type === MessageType.failed) throw launchError('exec', decodeFailure(answer.body, request.plan));
      const started = { ...exec, pid: answer.body.readUInt32LE(4) };
      if (this.#execs.get(request.id) === exec) this.#execs.set(request.id, started);
      return { pid: started.pid, exited: started.exited };
    } catch (error) {
      if (this.#execs.get(request.id) === exec) this.#execs.delete(request.id);
      throw error;
    }
  }

  rootDescriptor(): Promise<number> {
    return this.#descriptor(0);
  }

  heldSocket(protocol: 'tcp' | 'udp'): Promise<number> {
    return this.#descriptor(protocol === 'tcp' ? 1 : 2);
  }

  async hold(steps: readonly Step[]): Promise<void> {
    const fd = memoryRequest({ kind: 'run', id: '', plan: { prepare: steps } });
    await this.#ask(MessageType.hold, encodeTarget(0, 0, ''), [fd], () => closeSync(fd));
  }

  async release(protocol: 'tcp' | 'udp' | 'sctp', port: number, count: number): Promise<void> {
    const which = ['tcp', 'udp', 'sctp'].indexOf(protocol) | (count << 8);
    await this.#ask(MessageType.release, encodeTarget(which, port, ''), [], undefined, [constants.errno.ENOENT]);
  }

  async #descriptor(which: number): Promise<number> {
    const [ours, theirs] = socketPair();
    try {
      await this.#ask(MessageType.getDescriptor, encodeTarget(which, 0, ''), [theirs], () => closeSync(theirs));
      const [fd] = receiveDescriptors(ours).descriptors;
      if (fd === undefined) throw systemError(`the shim of container ${this.id.slice(0, 12)} sent no descriptor`);
      return fd;
    } finally {
      closeSync(ours);
    }
  }

  #close(): void {
    this.#disposed = true;
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }
}

/** An error in a client's stream: on standard output, as dockerd writes it. */
function errorText(message: string, multiplexed: boolean): Buffer {
  const text = Buffer.from(`${message}\r\n`);
  if (!multiplexed) return text;
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, text]);
}
