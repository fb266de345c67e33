import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { cancelled, isGantryError, messageOf, systemError } from '@gantry/errors';
import type { TlsFiles } from './certificates.ts';
import { type ProxySettings, proxyFor } from './proxy.ts';
import type { Tracer } from './trace.ts';

// Not imported: an import of node:http evaluates its lazy exports, and so loads Node's fetch (13 MB) too.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

export type HttpRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is read once: an answer that redirects is given back as it is. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** How long the answer may take to begin, and be silent afterwards; what suits a registry when not given. */
  readonly silenceMs?: number;
  /** Told where the time of the request goes. */
  readonly trace?: Tracer | undefined;
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
const ANSWER_MS = 30_000;
/** No byte for this long, and the answer is given up. */
const SILENCE_MS = 60_000;
const UPLOAD_SILENCE_MS = 300_000;
const MAX_REDIRECTS = 10;

export type HttpOptions = {
  readonly verifyCertificates: boolean;
  readonly userAgent: string;
  readonly tls?: TlsFiles | undefined;
  readonly proxies?: ProxySettings | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** The host (with port) that `tls` shows its client's certificate to, and `headers` are for. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** HTTP with connections kept open, redirects followed, proxies used, and every wait bounded. */
export class HttpClient implements Disposable {
  readonly #agents = new Map<string, Agent>();
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  #agent(url: URL): Agent {
    const { verifyCertificates, tls, proxies, host } = this.#options;
    const proxy = proxies && proxyFor(url, proxies);
    const isOwn = host === undefined || url.host === host;
    const isTls = url.protocol === 'https:';
    const key = `${isTls} ${isOwn} ${proxy?.href ?? ''}`;
    const known = this.#agents.get(key);
    if (known) return known;
    const common = {
      keepAlive: true,
      maxSockets: 16,
      ...(proxy ? { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href, NO_PROXY: '' } } : {}),
    };
    const { ca } = tls ?? {};
    // Another host (a redirect's) sees no client's certificate.
    const shown = isOwn ? (tls ?? {}) : ca === undefined ? {} : { ca };
    const agent = isTls
      ? new https.Agent({ ...common, rejectUnauthorized: verifyCertificates, ...shown })
      : new HttpAgent(common);
    this.#agents.set(key, agent);
    return agent;
  }

  /** Sends a request; the answer's body is the caller's to read or destroy. @throws ConnectionError, cancelled */
  async send(url: URL, request: HttpRequest): Promise<IncomingMessage> {
    let target = url;
    let headers = { ...(url.host === this.#options.host ? this.#options.headers : {}), ...request.headers };
    for (let step = 0; step <= MAX_REDIRECTS; step++) {
      const answer = await this.#once(target, { ...request, headers });
      const { statusCode = 0 } = answer;
      const { location } = answer.headers;
      if (statusCode < 301 || statusCode > 308 || statusCode === 304 || location === undefined) return answer;
      if (isStream(request.body)) return answer;
      answer.resume();
      const next = URL.canParse(location, target.href) ? new URL(location, target) : undefined;
      if (!next) throw systemError(`${target.host} redirects to ${JSON.stringify(location)}, which is no address`);
      if (next.protocol !== 'http:' && next.protocol !== 'https:') {
        throw systemError(`${url.host} redirects to ${next.protocol}, which is not followed`);
      }
      if (target.protocol === 'https:' && next.protocol === 'http:') {
        throw systemError(`${url.host} redirects from https to plain http (${next.host}), which is not followed`);
      }
      // Credentials are for the host that asked for them, and so is all that its hosts.toml has for it.
      if (next.host !== target.host) headers = withoutCredentials(headers, this.#options.headers ?? {});
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
      const agent = this.#agent(url);
      const headers = { 'User-Agent': this.#options.userAgent, ...request.headers };
      const streamed = isStream(body) ? body : undefined;
      const connectMs = this.#options.connectTimeoutMs ?? CONNECT_MS;
      // A registry may take its time to check what it was given.
      const answerMs = request.silenceMs ?? (method === 'PUT' || streamed ? UPLOAD_SILENCE_MS : ANSWER_MS);
      const sent = make(url, { method, agent, headers, signal, timeout: answerMs });
      if (request.trace) traceRequest(sent, isTls, request.trace);
      const giveUp = (): void => {
        sent.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' }));
      };
      // The socket's own time-out sees silence only; a name that resolves for ever is seen by this one.
      const timer = setTimeout(giveUp, answerMs);
      const connecting = setTimeout(giveUp, connectMs);
      sent.on('timeout', giveUp);
      sent.on('response', answer => {
        clearTimeout(timer);
        answer.setTimeout(request.silenceMs ?? SILENCE_MS, () =>
          answer.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
        );
        resolve(answer);
      });
      sent.on('error', error => {
        clearTimeout(timer);
        clearTimeout(connecting);
        reject(
          signal.aborted ? cancelled('the transfer was cancelled', { cause: error }) : connectionError(url, error),
        );
      });
      sent.once('socket', socket => {
        const connected = (): void => {
          clearTimeout(connecting);
          // An upload may take long; only its connection may not.
          if (streamed) clearTimeout(timer);
        };
        if (socket.connecting) socket.once(isTls ? 'secureConnect' : 'connect', connected);
        else connected();
      });
      if (!streamed) {
        sent.end(body);
        return;
      }
      pipeline(streamed, sent).catch(error => {
        // What the source says is the reason; what the connection says comes by its own event.
        if (!sent.destroyed) sent.destroy(error);
        reject(isGantryError(error) ? error : connectionError(url, error));
      });
    });
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
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

function withoutCredentials(
  headers: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const secret = new Set(['authorization', 'cookie', ...Object.keys(own).map(name => name.toLowerCase())]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.has(name.toLowerCase())));
}

/** Tells where the time until the answer goes: name, connection, and what the registry takes for itself. */
function traceRequest(sent: ClientRequest, isTls: boolean, trace: Tracer): void {
  let fromMs = performance.now();
  const next = (name: Parameters<Tracer>[0]) => (): void => {
    const nowMs = performance.now();
    trace(name, fromMs, nowMs);
    fromMs = nowMs;
  };
  sent.once('socket', (socket: Socket) => {
    if (!socket.connecting) return;
    socket.once('lookup', next('name'));
    socket.once('connect', next('connect'));
    if (isTls) socket.once('secureConnect', next('connect'));
  });
  sent.once('response', next('answer'));
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
