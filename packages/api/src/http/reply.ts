import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isGantryError, messageOf } from '@gantry/errors';
import { encodeJson } from '../json/encode.ts';
import type { Call } from './call.ts';
import { httpStatus } from './errors.ts';
import { newestVersion } from './version.ts';

/** The engine that clients are told they talk to; they choose their behaviour by it. */
export const serverHeader = 'Docker/28.5.2 (linux)';

/** The headers of every answer of a known route, in dockerd's order. */
export const commonHeaders: readonly (readonly [string, string])[] = [
  ['Api-Version', newestVersion],
  ['Docker-Experimental', 'false'],
  ['Ostype', 'linux'],
  ['Server', serverHeader],
];

type Headers = readonly (readonly [string, string])[];

/** Writes the head of an answer; the connection header is left out as Go does, but when the connection ends. */
export function writeHead(response: ServerResponse, status: number, headers: Headers, common = commonHeaders): void {
  if (response.shouldKeepAlive) response.removeHeader('connection');
  else response.setHeader('Connection', 'close');
  for (const [name, value] of common) response.setHeader(name, value);
  for (const [name, value] of headers) response.setHeader(name, value);
  response.writeHead(status);
}

export function sendJson(call: Call, status: number, document: unknown): void {
  sendText(call.response, status, encodeJson(document), 'application/json');
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType: string,
  common = commonHeaders,
): void {
  const body = Buffer.from(text);
  writeHead(
    response,
    status,
    [
      ['Content-Type', contentType],
      ['Content-Length', String(body.length)],
    ],
    common,
  );
  response.end(body);
}

/** An answer without a body. */
export function sendEmpty(call: Call, status: number): void {
  const bodiless = status === 204 || status === 304;
  writeHead(call.response, status, bodiless ? [] : [['Content-Length', '0']]);
  call.response.end();
}

/** Sends the head of a stream at once, before its first byte. */
export function startStream(call: Call, contentType: string): void {
  writeHead(call.response, 200, [['Content-Type', contentType]]);
  call.response.flushHeaders();
}

/** Streams `body` as the answer; an error in the middle ends the connection, so that nobody takes it for complete. */
export async function sendStream(call: Call, body: Readable, contentType: string): Promise<void> {
  startStream(call, contentType);
  try {
    await pipeline(body, call.response, { signal: call.signal });
  } catch (error) {
    call.response.destroy();
    if (!call.signal.aborted) throw error;
  }
}

/** Answers with an error, unless the answer has begun. */
export function sendError(response: ServerResponse, error: unknown, common = commonHeaders): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = httpStatus(error);
  const hint: Headers =
    isGantryError(error) && error.hint !== undefined ? [['Gantry-Hint', encodeURI(error.hint.toWellFormed())]] : [];
  const all = [...common, ...hint];
  if (status === 304) {
    writeHead(response, status, [], all);
    response.end();
    return;
  }
  sendText(response, status, encodeJson({ message: messageOf(error) }), 'application/json', all);
}
