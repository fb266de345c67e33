import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Engine } from '@gantry/engine';
import type { Query } from './query.ts';
import type { ApiVersion } from './version.ts';

/** Where the API writes what it does. */
export type ApiLog = { debug(message: string): void; error(message: string, error?: unknown): void };

/** One request, matched to its route: what a handler works with. */
export type Call = {
  readonly engine: Engine;
  readonly version: ApiVersion;
  /** What the pattern of the route matched. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly request: IncomingMessage;
  /** The connection, when Node took the request for an upgrade and stopped reading HTTP from it; `head` came with it. */
  readonly upgraded: { readonly socket: Socket; head: Buffer } | undefined;
  readonly response: ServerResponse;
  /** Aborted when the client goes away before it has its answer. */
  readonly signal: AbortSignal;
  readonly log: ApiLog;
};

export type Handler = (call: Call) => Promise<void> | void;

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS';

/** A route as `METHOD pattern`; `{name}` stands for a path element, `{name*}` for any number of them. */
export type Route = { readonly method: Method; readonly pattern: string; readonly handler: Handler };

export const route =
  (method: Method) =>
  (pattern: string, handler: Handler): Route => ({ method, pattern, handler });

export const get = route('GET');
export const head = route('HEAD');
export const post = route('POST');
export const put = route('PUT');
export const remove = route('DELETE');
export const options = route('OPTIONS');

/** A parameter of the route's pattern. */
export function param(call: Call, name: string): string {
  return call.params[name] ?? '';
}
