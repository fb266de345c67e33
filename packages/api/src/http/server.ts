import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { Engine } from '@gantry/engine';
import { GantryError, messageOf } from '@gantry/errors';
import { routes } from '../routes.ts';
import type { ApiLog, Call } from './call.ts';
import { httpStatus } from './errors.ts';
import { createServer, ServerResponse as HttpResponse } from './node-http.ts';
import { parseQuery } from './query.ts';
import { commonHeaders, sendError, sendText } from './reply.ts';
import { cleanPath, createRouter, type Match } from './router.ts';
import { type ApiVersion, checkVersion, compareVersions, newest, oldestVersion } from './version.ts';

export type ApiOptions = {
  readonly log?: ApiLog;
  /** Serves HTTPS; client certificates are checked as these options say. */
  readonly tls?: TlsOptions;
};

const silent: ApiLog = { debug: () => {}, error: () => {} };

/** dockerd gives clients this long for the head of a request. */
const headersTimeoutMs = 300_000;
/** An idle connection is kept this long; Go's clients open a new one without an error. */
const keepAliveTimeoutMs = 600_000;
const maxHeaderBytes = 1024 * 1024;

/** Requests whose answer is a raw stream: only these are taken for upgrades, whatever header others carry (h2c). */
const hijackingPath =
  /\/containers\/.*\/attach(?:\/ws)?(?:\?|$)|\/exec\/.*\/start(?:\?|$)|^(?:\/v[0-9.]+)?\/(?:session|grpc)(?:\?|$)/;

/** The headers of an answer to a version that is not supported: dockerd has not added all of them by then. */
const versionErrorHeaders = commonHeaders.filter(([name]) => name !== 'Docker-Experimental');

/** A server for the Engine API; it may listen on any kind of socket, and several of them may share one engine. */
export function createApiServer(engine: Engine, options: ApiOptions = {}): Server {
  const log = options.log ?? silent;
  const router = createRouter(routes);
  const settings = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: 0,
    shouldUpgradeCallback: (request: IncomingMessage) => hijackingPath.test(request.url ?? ''),
  };
  const server = options.tls
    ? process.getBuiltinModule('node:https').createServer({ ...settings, ...options.tls, allowHalfOpen: true })
    : createServer(settings);
  server.on('request', (request, response) => {
    void serve(engine, router, log, request, response, undefined);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const response = new HttpResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    void serve(engine, router, log, request, response, { socket, head });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`);
  });
  return server;
}

async function serve(
  engine: Engine,
  router: (method: string, path: string) => Match | undefined,
  log: ApiLog,
  request: IncomingMessage,
  response: ServerResponse,
  upgraded: Call['upgraded'],
): Promise<void> {
  const { method = 'GET' } = request;
  const origin = originForm(request.url ?? '/');
  const url = origin ?? '/';
  const startMs = performance.now();
  try {
    const mark = url.indexOf('?');
    const path = origin === undefined ? undefined : decodePath(mark < 0 ? url : url.slice(0, mark));
    const search = mark < 0 ? '' : url.slice(mark + 1);
    const clean = path === undefined ? '/' : cleanPath(path);
    if (path === undefined) {
      sendText(response, 400, '400 Bad Request', 'text/plain; charset=utf-8', []);
    } else if (clean !== path) {
      response.writeHead(301, { Location: encodeURI(clean) + (mark < 0 ? '' : `?${search}`), 'Content-Length': '0' });
      response.end();
    } else {
      const match = router(method, path);
      if (match) await answer(engine, match, log, search, request, response, upgraded);
      else sendText(response, 404, '{"message":"page not found"}\n', 'application/json', []);
    }
  } catch (error) {
    log.error(`api: ${method} ${url}: ${messageOf(error)}`, error);
    response.destroy();
  }
  log.debug(`api: ${method} ${url} ${response.statusCode} ${(performance.now() - startMs).toFixed(1)} ms`);
}

async function answer(
  engine: Engine,
  match: Match,
  log: ApiLog,
  search: string,
  request: IncomingMessage,
  response: ServerResponse,
  upgraded: Call['upgraded'],
): Promise<void> {
  const version = versionOf(match, response);
  if (version === undefined) return;
  try {
    await match.handler({
      engine,
      version,
      params: match.params,
      query: parseQuery(search),
      request,
      response,
      upgraded,
      log,
      signal: signalOf(response, upgraded),
    });
  } catch (error) {
    if (httpStatus(error) >= 500) logFailure(log, request, error);
    sendError(response, error);
  }
}

/** The version of a request; when it is not supported, the error is sent: as text to clients older than the oldest. */
function versionOf(match: Match, response: ServerResponse): ApiVersion | undefined {
  if (match.version === undefined) return newest;
  try {
    return checkVersion(match.version);
  } catch (error) {
    if (compareVersions(match.version, oldestVersion) >= 0) sendError(response, error, versionErrorHeaders);
    else {
      const headers = [...versionErrorHeaders, ['X-Content-Type-Options', 'nosniff'] as const];
      sendText(response, 400, `${messageOf(error)}\n`, 'text/plain; charset=utf-8', headers);
    }
    return undefined;
  }
}

function signalOf(response: ServerResponse, upgraded: Call['upgraded']): AbortSignal {
  const gone = new AbortController();
  if (upgraded) upgraded.socket.once('close', () => gone.abort());
  else {
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
  }
  return gone.signal;
}

function logFailure(log: ApiLog, request: IncomingMessage, error: unknown): void {
  const expected = error instanceof GantryError && error.kind === 'notImplemented';
  if (!expected) log.error(`api: ${request.method} ${request.url}: ${messageOf(error)}`, error);
}

/** A request through a proxy names the host in front of the path; undefined for a malformed host. @see RFC 9112, section 3.2.2 */
function originForm(url: string): string | undefined {
  const [whole, host = '', rest = ''] = /^(https?:\/\/[^/?]*)(.*)$/i.exec(url) ?? [];
  if (whole === undefined) return url;
  if (!URL.canParse(host)) return undefined;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function decodePath(path: string): string | undefined {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
