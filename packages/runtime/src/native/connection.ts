import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { unavailable } from '@gantry/errors';
import { SystemCallError, sendDescriptors } from '@gantry/linux';
import { encodeMessage, type Message, MessageReader } from './message.ts';
import { descriptorOf } from './private-handle.ts';

/** How long a full socket is left alone. Rare: the other side reads at once, and few requests are under way. */
const FULL_RETRY_MS = 2;
const EAGAIN = 11;

export type Outgoing = {
  readonly type: number;
  readonly body?: Buffer;
  readonly descriptors?: readonly number[];
  /** Called once the message has left or never will: the descriptors may be closed. */
  readonly release?: () => void;
};

type Waiting = { readonly resolve: (message: Message) => void; readonly reject: (error: Error) => void };

/**
 * A stream of messages with native code: read by Node, written by sendmsg so that descriptors can ride along.
 * `onMessage` gets what is no answer; `onEnd` is called once, when nothing more can come.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #reader = new MessageReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: { readonly bytes: Buffer; readonly outgoing: Outgoing; readonly request: number }[] = [];
  readonly #what: string;
  #nextRequest = 1;
  #ended = false;

  constructor(socket: Socket, what: string, onMessage: (message: Message) => void, onEnd: () => void) {
    this.#socket = socket;
    this.#what = what;
    const end = (): void => {
      if (this.#ended) return;
      this.#ended = true;
      for (const { outgoing } of this.#queue.splice(0)) outgoing.release?.();
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      onEnd();
      for (const { reject } of waiting) reject(this.#gone());
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of this.#reader.push(chunk)) {
          const waiting = message.request === 0 ? undefined : this.#waiting.get(message.request);
          if (waiting === undefined) onMessage(message);
          else {
            this.#waiting.delete(message.request);
            waiting.resolve(message);
          }
        }
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', end);
  }

  get ended(): boolean {
    return this.#ended;
  }

  #gone(): Error {
    return unavailable(`${this.#what} has ended`, { hint: 'try again' });
  }

  /** Sends without expecting an answer. @throws unavailable when the other side has ended */
  send(outgoing: Outgoing): void {
    this.#post(outgoing, 0);
  }

  /** Sends and waits for the answer with the same number. @throws unavailable when the other side ends before */
  request(outgoing: Outgoing): Promise<Message> {
    return new Promise((resolve, reject) => {
      const request = this.#nextRequest;
      this.#nextRequest = request === 0xffffffff ? 1 : request + 1;
      this.#waiting.set(request, { resolve, reject });
      try {
        this.#post(outgoing, request);
      } catch (error) {
        this.#waiting.delete(request);
        reject(error instanceof Error ? error : this.#gone());
      }
    });
  }

  #post(outgoing: Outgoing, request: number): void {
    const bytes = encodeMessage(
      outgoing.type,
      request,
      outgoing.descriptors?.length ?? 0,
      outgoing.body ?? Buffer.alloc(0),
    );
    if (this.#queue.length > 0) {
      this.#queue.push({ bytes, outgoing, request });
      return;
    }
    if (!this.#write(bytes, outgoing)) {
      this.#queue.push({ bytes, outgoing, request });
      setTimeout(() => this.#flush(), FULL_RETRY_MS);
    }
  }

  /** False when the socket is full. Releases the descriptors otherwise. */
  #write(bytes: Buffer, outgoing: Outgoing): boolean {
    let release = true;
    try {
      const fd = this.#ended ? undefined : descriptorOf(this.#socket);
      if (fd === undefined) throw this.#gone();
      sendDescriptors(fd, bytes, outgoing.descriptors ?? []);
      return true;
    } catch (error) {
      if (error instanceof SystemCallError && error.errno === EAGAIN) {
        release = false;
        return false;
      }
      if (error instanceof SystemCallError && (error.code === 'EPIPE' || error.code === 'ECONNRESET'))
        throw this.#gone();
      throw error;
    } finally {
      if (release) outgoing.release?.();
    }
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const [first] = this.#queue;
      if (first === undefined) return;
      try {
        if (!this.#write(first.bytes, first.outgoing)) {
          setTimeout(() => this.#flush(), FULL_RETRY_MS);
          return;
        }
      } catch (error) {
        const waiting = this.#waiting.get(first.request);
        this.#waiting.delete(first.request);
        waiting?.reject(error instanceof Error ? error : this.#gone());
      }
      this.#queue.shift();
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Closes descriptors that this process made. */
export function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeSync(fd);
}
