/**
 * HTTP/1.1 over one socket: what an Engine API client needs of it, and no more. node:http alone takes longer to load
 * (25 to 30 ms) than the rest of a `gantry` command, and hides the socket that attach and exec take over.
 */
import type { Socket } from 'node:net';
import { ByteReader } from './bytes.ts';

/** The longest answer head that is read; an engine's is a few hundred bytes. */
const MAX_HEAD_BYTES = 256 * 1024;

export type Head = { readonly status: number; readonly headers: ReadonlyMap<string, string> };

export type Body = AsyncIterable<Buffer>;

export type HttpRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A text is sent with its length, a stream in chunks. */
  readonly body?: string | Buffer | AsyncIterable<Uint8Array>;
};

/** One connection to an engine; one request at a time. */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  #reusable = true;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#reader = new ByteReader(socket);
  }

  /** Whether another request may follow: the last answer was read to its end, and nobody asked to close. */
  get reusable(): boolean {
    return this.#reusable && !this.#socket.destroyed && this.#socket.writable && !this.#socket.readableEnded;
  }

  destroy(): void {
    this.#reusable = false;
    this.#socket.destroy();
  }

  /** An idle connection does not keep the process alive. */
  idle(): void {
    this.#socket.unref();
  }

  busy(): void {
    this.#socket.ref();
  }

  /** Sends a request and waits for the head of its answer; a streamed body goes on in the background. */
  async send(request: HttpRequest): Promise<Head> {
    this.#reusable = false;
    const { body } = request;
    const fixed = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
    let head = `${request.method} ${request.path} HTTP/1.1\r\n`;
    for (const [name, value] of Object.entries(request.headers)) head += `${name}: ${value.replace(/[\r\n]/g, '')}\r\n`;
    if (body === undefined) {
      if (request.method !== 'GET' && request.method !== 'HEAD') head += 'Content-Length: 0\r\n';
      this.#socket.write(`${head}\r\n`);
    } else if (fixed) {
      this.#socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    } else {
      this.#socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
      this.#sendChunks(body).catch((error: unknown) =>
        this.#socket.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    }
    for (;;) {
      const answer = await this.#readHead();
      if (answer.status >= 200 || answer.status === 101) return answer;
    }
  }

  async #sendChunks(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of body) {
      if (piece.length === 0) continue;
      if (this.#socket.destroyed) return;
      this.#socket.cork();
      this.#socket.write(`${piece.length.toString(16)}\r\n`);
      this.#socket.write(piece);
      const room = this.#socket.write('\r\n');
      this.#socket.uncork();
      if (!room) await drained(this.#socket);
    }
    this.#socket.write('0\r\n\r\n');
  }

  async #readHead(): Promise<Head> {
    let bytes: Buffer | undefined;
    for (;;) {
      const more = await this.#reader.next();
      if (!more) throw closedEarly();
      bytes = bytes ? Buffer.concat([bytes, more]) : more;
      const end = bytes.indexOf('\r\n\r\n');
      if (end >= 0) {
        this.#reader.pushBack(bytes.subarray(end + 4));
        return parseHead(bytes.toString('latin1', 0, end));
      }
      if (bytes.length > MAX_HEAD_BYTES) throw new Error('the answer has no end of headers');
    }
  }

  /** The body that belongs to `head`. When it was read to its end, `done` is told whether the connection may be reused. */
  async *body(head: Head, method: string, done: (reusable: boolean) => void): AsyncGenerator<Buffer, void> {
    let complete = false;
    try {
      if (method === 'HEAD' || head.status === 204 || head.status === 304) {
        complete = true;
      } else if (/\bchunked\b/i.test(head.headers.get('transfer-encoding') ?? '')) {
        yield* this.#chunks();
        complete = true;
      } else if (head.headers.has('content-length')) {
        yield* this.#exactly(Number(head.headers.get('content-length')));
        complete = true;
      } else {
        for (let piece = await this.#reader.next(); piece; piece = await this.#reader.next()) yield piece;
      }
    } finally {
      this.#reusable = complete && !/\bclose\b/i.test(head.headers.get('connection') ?? '');
      done(this.reusable);
    }
  }

  async *#exactly(length: number): AsyncGenerator<Buffer, void> {
    for (let left = length; left > 0; ) {
      const piece = await this.#reader.next();
      if (!piece) throw closedEarly();
      if (piece.length > left) this.#reader.pushBack(piece.subarray(left));
      const part = piece.length > left ? piece.subarray(0, left) : piece;
      left -= part.length;
      yield part;
    }
  }

  async *#chunks(): AsyncGenerator<Buffer, void> {
    for (;;) {
      const line = await this.#line();
      const size = Number.parseInt(line, 16);
      if (!(size >= 0)) throw new Error(`the answer has a chunk of no size: ${JSON.stringify(line)}`);
      if (size === 0) break;
      yield* this.#exactly(size);
      await this.#line();
    }
    while ((await this.#line()) !== ''); // trailers
  }

  async #line(): Promise<string> {
    let bytes: Buffer | undefined;
    for (;;) {
      const more = await this.#reader.next();
      if (!more) throw closedEarly();
      bytes = bytes ? Buffer.concat([bytes, more]) : more;
      const end = bytes.indexOf(10);
      if (end >= 0) {
        this.#reader.pushBack(bytes.subarray(end + 1));
        return bytes.toString('latin1', 0, end).replace(/\r$/, '');
      }
      if (bytes.length > MAX_HEAD_BYTES) throw new Error('the answer has a chunk header without an end');
    }
  }

  /** Takes the socket over after an upgrade; what the peer sent already is read first. */
  takeOver(): Socket {
    this.#reusable = false;
    return this.#reader.release();
  }
}

/** Resolves when `socket` accepts more, or is gone. */
export function drained(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      socket.off('drain', settle);
      socket.off('close', settle);
      resolve();
    };
    socket.on('drain', settle);
    socket.on('close', settle);
  });
}

function closedEarly(): Error {
  return Object.assign(new Error('unexpected EOF'), { code: 'EOF' });
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first);
  if (!status) throw new Error(`malformed HTTP response ${JSON.stringify(first.slice(0, 80))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status[1]), headers };
}
