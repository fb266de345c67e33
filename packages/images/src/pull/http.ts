import type { IncomingMessage } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { cancelled, isGantryError, messageOf, systemError } from '@gantry/errors';
import type { TlsFiles } from './certificates.ts';

// Not imported: an import of node:http evaluates its lazy exports, and so loads Node's fetch (13 MB) too.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

export type HttpRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is read once: an answer that redirects is given back as it is. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
};

/** A host could not be reached, or answered in no way that can be used. */
export class ConnectionError extends Error {
  readonly code: string;

  constructor(message: string, code: string, cause: unknown) {
    super(message, { cause });
    this.name = 'ConnectionError';
    this.code = code;
  }
}

const CONNECT_MS = 30_000;
/** No byte for this long, and the answer is given up. */
const SILENCE_MS = 60_000;
/** A registry may take its time to check and move a large blob after its last byte. */
const UPLOAD_SILENCE_MS = 300_000;
const MAX_REDIRECTS = 10;

/** HTTP with connections kept open, redirects followed, and every wait bounded. */
export class HttpClient implements Disposable {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: 16 });
  readonly #https: HttpsAgent;
  readonly #userAgent: string;

  constructor(options: {
    readonly verifyCertificates: boolean;
    readonly userAgent: string;
    readonly tls?: TlsFiles | undefined;
  }) {
    this.#userAgent = options.userAgent;
    this.#https = new https.Agent({
      keepAlive: true,
      maxSockets: 16,
      rejectUnauthorized: options.verifyCertificates,
      ...(options.tls ?? {}),
    });
  }

  /** Sends a request; the answer's body is the caller's to read or destroy. @throws ConnectionError, cancelled */
  async send(url: URL, request: HttpRequest): Promise<IncomingMessage> {
    let target = url;
    let headers = { ...request.headers };
    for (let step = 0; step <= MAX_REDIRECTS; step++) {
      const answer = await this.#once(target, { ...request, headers });
      const { statusCode = 0 } = answer;
      const { location } = answer.headers;
      if (statusCode < 301 || statusCode > 308 || statusCode === 304 || location === undefined) return answer;
      if (isStream(request.body)) return answer;
      answer.resume();
      const next = new URL(location, target);
      if (next.protocol !== 'http:' && next.protocol !== 'https:') {
        throw systemError(`${url.host} redirects to ${next.protocol}, which is not followed`);
      }
      if (target.protocol === 'https:' && next.protocol === 'http:') {
        throw systemError(`${url.host} redirects from https to plain http (${next.host}), which is not followed`);
      }
      // Credentials are for the host that asked for them.
      if (next.host !== target.host) headers = withoutAuthorization(headers);
      target = next;
    }
    throw systemError(`Get "${url.href}": stopped after ${MAX_REDIRECTS} redirects`);
  }

  #once(url: URL, request: HttpRequest): Promise<IncomingMessage> {
    const { signal, method, body } = request;
    if (signal.aborted) throw cancelled('the transfer was cancelled');
    return new Promise((resolve, reject) => {
      const isTls = url.protocol === 'https:';
      const make = isTls ? https.request : httpRequest;
      const agent = isTls ? this.#https : this.#http;
      const headers = { 'User-Agent': this.#userAgent, ...request.headers };
      const streamed = isStream(body) ? body : undefined;
      const sent = make(url, { method, agent, headers, signal, timeout: streamed ? UPLOAD_SILENCE_MS : CONNECT_MS });
      const giveUp = (): void => {
        sent.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' }));
      };
      // The socket's own time-out sees silence only; a name that resolves for ever is seen by this one.
      const timer = setTimeout(giveUp, CONNECT_MS);
      sent.on('timeout', giveUp);
      sent.on('response', answer => {
        clearTimeout(timer);
        answer.setTimeout(SILENCE_MS, () =>
          answer.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
        );
        resolve(answer);
      });
      sent.on('error', error => {
        clearTimeout(timer);
        reject(
          signal.aborted ? cancelled('the transfer was cancelled', { cause: error }) : connectionError(url, error),
        );
      });
      if (!streamed) {
        sent.end(body);
        return;
      }
      // An upload may take long; only its connection may not.
      sent.once('socket', socket => {
        if (socket.connecting) socket.once(isTls ? 'secureConnect' : 'connect', () => clearTimeout(timer));
        else clearTimeout(timer);
      });
      pipeline(streamed, sent).catch(error => {
        // What the source says is the reason; what the connection says comes by its own event.
        if (!sent.destroyed) sent.destroy(error);
        reject(isGantryError(error) ? error : connectionError(url, error));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** Reads a body of at most `maxBytes`. */
export async function readBody(answer: IncomingMessage, maxBytes: number, what: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer) {
    length += part.length;
    if (length > maxBytes) {
      answer.destroy();
      throw systemError(`${what} is larger than the allowed ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function isStream(body: HttpRequest['body']): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && Symbol.asyncIterator in body;
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'));
}

/** Says what went wrong as Go's net/http does, since scripts look for its words. */
function connectionError(url: URL, error: unknown): ConnectionError {
  const [first] = error instanceof AggregateError ? error.errors : [error];
  const { code = '', address, port } = first as { code?: string; address?: string; port?: number };
  const where = address === undefined ? url.host : `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return new ConnectionError(describe(String(code), where, url, first), String(code), error);
}

function describe(code: string, where: string, url: URL, error: unknown): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${where}: connect: connection refused`;
    case 'ENOTFOUND':
      return `dial tcp: lookup ${url.hostname}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${url.hostname}: Temporary failure in name resolution`;
    case 'EHOSTUNREACH':
      return `dial tcp ${where}: connect: no route to host`;
    case 'ENETUNREACH':
      return `dial tcp ${where}: connect: network is unreachable`;
    case 'ETIMEDOUT':
      return `dial tcp ${where}: i/o timeout`;
    case 'ECONNRESET':
      return `read tcp ${where}: connection reset by peer`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return 'http: server gave HTTP response to HTTPS client';
    case 'CERT_HAS_EXPIRED':
      return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: certificate is not valid for ${url.hostname}`;
    default:
      return messageOf(error);
  }
}
