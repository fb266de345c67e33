import { connect, type Socket } from 'node:net';
import { ApiError } from './errors.ts';
import { connectionError, type Host } from './host.ts';
import { type Body, type Head, HttpConnection, type HttpRequest } from './http.ts';

/** A list is repeated, one parameter a value. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export type Call = {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Without the version, `/containers/json`. */
  readonly path: string;
  /** `true` is sent as 1; undefined, false and the empty string are left out. */
  readonly query?: Query;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
};

export type Answer = Head & { readonly body: Body };

/** Connections kept for the next request; a command rarely has more than two requests under way. */
const MAX_IDLE = 4;

/** Sends requests to one host, and keeps connections for reuse. */
export class Transport implements Disposable {
  readonly host: Host;
  readonly #userAgent: string;
  readonly #idle: HttpConnection[] = [];
  /** Put before each path, `/v1.51`; empty until negotiated. */
  versionPrefix = '';

  constructor(host: Host, userAgent: string) {
    this.host = host;
    this.#userAgent = userAgent;
  }

  /**
   * Sends one call and answers with head and body stream.
   * @throws ApiError for a status from 400 on, ConnectionError when the host cannot be reached, the signal's reason when aborted
   */
  async call(call: Call): Promise<Answer> {
    const connection = await this.#connection(call.signal);
    const release = abortWith(connection, call.signal);
    const request = this.#request(call);
    let head: Head;
    try {
      head = await connection.send(request);
    } catch (error) {
      release();
      connection.destroy();
      throw this.#failure(error, call.signal);
    }
    const body = connection.body(head, request.method, reusable => {
      release();
      if (reusable && this.#idle.length < MAX_IDLE) {
        connection.idle();
        this.#idle.push(connection);
      } else connection.destroy();
    });
    const answer = { ...head, body: this.#bodyErrors(body, call.signal) };
    if (head.status >= 400) throw await apiError(answer);
    return answer;
  }

  /** Sends one call that becomes a two-way stream, and hands over its socket. */
  async hijack(call: Call): Promise<{ readonly socket: Socket; readonly head: Head }> {
    const connection = await this.#connection(call.signal);
    const release = abortWith(connection, call.signal);
    try {
      const request = this.#request(call);
      const head = await connection.send({
        ...request,
        headers: { ...request.headers, Connection: 'Upgrade', Upgrade: 'tcp' },
      });
      if (head.status >= 400)
        throw await apiError({ ...head, body: connection.body(head, request.method, () => connection.destroy()) });
      release();
      return { socket: connection.takeOver(), head };
    } catch (error) {
      release();
      connection.destroy();
      throw error instanceof ApiError ? error : this.#failure(error, call.signal);
    }
  }

  /** Sends one call and reads its JSON answer; undefined when the body is empty. */
  async json<T>(call: Call): Promise<T> {
    const body = await this.text(call);
    return (body === '' ? undefined : JSON.parse(body)) as T;
  }

  async text(call: Call): Promise<string> {
    return readText((await this.call(call)).body);
  }

  /** Sends one call whose answer has nothing to read; tells its status (304: it was so already). */
  async done(call: Call): Promise<number> {
    const answer = await this.call(call);
    for await (const _ of answer.body);
    return answer.status;
  }

  [Symbol.dispose](): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  #request(call: Call): HttpRequest {
    const query = queryString(call.query ?? {});
    const base = this.host.kind === 'tcp' ? this.host.basePath : '';
    const name =
      this.host.kind === 'tcp'
        ? `${this.host.hostname.includes(':') ? `[${this.host.hostname}]` : this.host.hostname}:${this.host.port}`
        : 'api.moby.localhost';
    const headers: Record<string, string> = { Host: name, 'User-Agent': this.#userAgent, ...call.headers };
    if (call.json !== undefined) headers['Content-Type'] = 'application/json';
    const body = call.json === undefined ? call.body : JSON.stringify(call.json);
    const method = call.method ?? 'GET';
    const path = `${base}${this.versionPrefix}${call.path}${query}`;
    return body === undefined ? { method, path, headers } : { method, path, headers, body };
  }

  async #connection(signal: AbortSignal | undefined): Promise<HttpConnection> {
    signal?.throwIfAborted();
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.reusable) {
        idle.busy();
        return idle;
      }
      idle.destroy();
    }
    const socket = await this.#open();
    return new Promise((resolve, reject) => {
      const connected = this.host.kind === 'tcp' && this.host.tls ? 'secureConnect' : 'connect';
      const fail = (error: Error) => {
        signal?.removeEventListener('abort', abort);
        reject(connectionError(this.host, error));
      };
      const abort = () => {
        socket.off('error', fail);
        socket.on('error', () => {});
        socket.destroy();
        reject(signal?.reason);
      };
      socket.once('error', fail);
      signal?.addEventListener('abort', abort, { once: true });
      socket.once(connected, () => {
        socket.off('error', fail);
        signal?.removeEventListener('abort', abort);
        resolve(new HttpConnection(socket));
      });
    });
  }

  async #open(): Promise<Socket> {
    const host = this.host;
    if (host.kind === 'unix') return connect({ path: host.path, allowHalfOpen: true });
    if (!host.tls) return connect({ host: host.hostname, port: host.port, allowHalfOpen: true, noDelay: true });
    const { connectTls } = await import('./tls.ts');
    return connectTls(host.hostname, host.port, host.tls);
  }

  async *#bodyErrors(body: Body, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void> {
    try {
      yield* body;
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  #failure(error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted ? signal.reason : connectionError(this.host, error);
  }
}

/** Collects a body as text. */
export async function readText(body: Body): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function abortWith(connection: HttpConnection, signal: AbortSignal | undefined): () => void {
  if (!signal) return () => {};
  const abort = () => connection.destroy();
  signal.addEventListener('abort', abort, { once: true });
  return () => signal.removeEventListener('abort', abort);
}

async function apiError(answer: Answer): Promise<ApiError> {
  const text = (await readText(answer.body)).trim();
  const hint = hintOf(answer.headers.get('gantry-hint'));
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed && typeof parsed.message === 'string') {
      return new ApiError(answer.status, parsed.message.trim(), hint);
    }
  } catch {
    // A proxy or an old engine answers in plain text.
  }
  return new ApiError(answer.status, text === '' ? `request returned status ${answer.status}` : text, hint);
}

/** The text of the header `Gantry-Hint`, which is URL-encoded. */
function hintOf(header: string | undefined): string | undefined {
  if (!header) return undefined;
  try {
    return decodeURI(header);
  } catch {
    return header; // something between has rewritten it
  }
}

function queryString(query: Query): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === false || value === '') continue;
    if (typeof value === 'object') for (const one of value) pairs.append(name, one);
    else pairs.append(name, value === true ? '1' : String(value));
  }
  const text = pairs.toString();
  return text === '' ? '' : `?${text}`;
}
