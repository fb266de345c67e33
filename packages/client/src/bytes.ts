import type { Socket } from 'node:net';

/** Reads a socket piece by piece, with back-pressure, and takes back what was read too far. */
export class ByteReader {
  readonly #socket: Socket;
  #pushedBack: Buffer | undefined;
  #failure: Error | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('readable', this.#signal);
    socket.on('end', this.#end);
    socket.on('close', this.#end);
    socket.on('error', this.#fail);
  }

  readonly #signal = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#signal();
  };

  readonly #fail = (error: Error): void => {
    this.#failure ??= error;
    this.#ended = true;
    this.#signal();
  };

  /** The next bytes, or undefined at the end. @throws what broke the connection */
  async next(): Promise<Buffer | undefined> {
    if (this.#pushedBack) {
      const bytes = this.#pushedBack;
      this.#pushedBack = undefined;
      return bytes;
    }
    for (;;) {
      const chunk: unknown = this.#socket.read();
      if (Buffer.isBuffer(chunk)) return chunk;
      if (this.#failure) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  pushBack(bytes: Buffer): void {
    if (bytes.length > 0) this.#pushedBack = this.#pushedBack ? Buffer.concat([bytes, this.#pushedBack]) : bytes;
  }

  /** Stops reading; the socket gets back what was read too far, and is its user's alone. */
  release(): Socket {
    this.#socket.off('readable', this.#signal);
    this.#socket.off('end', this.#end);
    this.#socket.off('close', this.#end);
    this.#socket.off('error', this.#fail);
    if (this.#pushedBack) {
      this.#socket.unshift(this.#pushedBack);
      this.#pushedBack = undefined;
    }
    return this.#socket;
  }
}
