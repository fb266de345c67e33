import type { Readable } from 'node:stream';
import { invalidParameter } from '@gantry/errors';
import { decodeJson, zeroOf } from '../json/decode.ts';
import type { Schema } from '../json/schema.ts';
import type { Call } from './call.ts';

/** A JSON body may be this large; archives are streamed and have no bound here. */
const maxJsonBytes = 32 * 1024 * 1024;
/** A client may take this long to send one. */
const bodyTimeoutMs = 300_000;

/**
 * Checks that a body is declared as JSON; without a body no declaration is needed.
 * @throws invalidParameter in dockerd's words
 */
export function checkJsonType(call: Call): void {
  const type = call.request.headers['content-type'];
  if ((type === undefined || type === '') && !hasBody(call)) return;
  const media = (type ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (media === '') throw invalidParameter(`malformed Content-Type header (${type ?? ''}): mime: no media type`);
  if (media.split('/').length > 2) {
    throw invalidParameter(`malformed Content-Type header (${type}): mime: unexpected content after media subtype`);
  }
  if (media !== 'application/json') {
    throw invalidParameter(`unsupported Content-Type header (${type}): must be 'application/json'`);
  }
}

/** Whether the request has a body: a length above 0, or chunks. */
export function hasBody(call: Call): boolean {
  const { headers } = call.request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Reads a JSON body; one that is missing leaves the schema's zero value.
 * @throws invalidParameter with dockerd's text
 */
export async function readJson(call: Call, schema: Schema): Promise<unknown> {
  checkJsonType(call);
  if (!hasBody(call)) return zeroOf(schema);
  return decodeBody(await readBody(call), schema);
}

/** Reads a JSON body that must be there. */
export async function readRequiredJson(call: Call, schema: Schema): Promise<unknown> {
  checkJsonType(call);
  return decodeBody(await readBody(call), schema);
}

function decodeBody(text: string, schema: Schema): unknown {
  if (text.trim() === '') throw invalidParameter('invalid JSON: got EOF while reading request body');
  return decodeJson(text, schema);
}

/** The body as a stream with back-pressure. */
export function bodyStream(call: Call): Readable {
  return call.request;
}

/**
 * Reads past a body in front of a raw stream that has no use for it, so that it is not taken for input (dockerode sends
 * its options of attach once more). Chunks are left: old clients send their input in them.
 */
export async function skipBody(call: Call): Promise<void> {
  if (call.upgraded && call.request.headers['transfer-encoding'] === undefined) await readBody(call);
}

async function readBody(call: Call): Promise<string> {
  return (await readBytes(call)).toString();
}

/** A body that is kept in memory, as the bytes that came. @throws invalidParameter when it is too large for that */
export async function readBytes(call: Call): Promise<Buffer> {
  if (!hasBody(call)) return Buffer.alloc(0);
  const timer = setTimeout(() => call.request.socket.destroy(), bodyTimeoutMs);
  try {
    return call.upgraded ? await readUpgradedBody(call, call.upgraded) : await readPlainBody(call);
  } finally {
    clearTimeout(timer);
  }
}

async function readPlainBody(call: Call): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of call.request) {
    length += chunk.length;
    // Read to its end all the same: a client that is still writing would see its connection break, and no answer.
    if (length <= maxJsonBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (length > maxJsonBytes) throw tooLarge();
  return Buffer.concat(chunks);
}

/**
 * Node stops reading HTTP at the head of an upgrade, so a body in front of the raw stream (exec start has one) is read here.
 * What follows it stays in `upgraded.head`.
 */
async function readUpgradedBody(call: Call, upgraded: { socket: Readable; head: Buffer }): Promise<Buffer> {
  const { headers } = call.request;
  const more = async (): Promise<void> => {
    upgraded.head = Buffer.concat([upgraded.head, await nextChunk(upgraded.socket)]);
    if (upgraded.head.length > maxJsonBytes) throw tooLarge();
  };
  const take = async (length: number): Promise<Buffer> => {
    while (upgraded.head.length < length) await more();
    const taken = upgraded.head.subarray(0, length);
    upgraded.head = upgraded.head.subarray(length);
    return taken;
  };
  if (headers['transfer-encoding'] === undefined) {
    const length = Number(headers['content-length']);
    if (length > maxJsonBytes) throw tooLarge();
    return await take(length);
  }
  const line = async (): Promise<string> => {
    for (;;) {
      const end = upgraded.head.indexOf('\r\n');
      if (end >= 0) return (await take(end + 2)).subarray(0, end).toString('latin1');
      await more();
    }
  };
  const chunks: Buffer[] = [];
  for (let total = 0; ; ) {
    const size = Number.parseInt(await line(), 16);
    if (!(size >= 0)) throw invalidParameter('invalid JSON: malformed chunked encoding');
    if (size === 0) break;
    total += size;
    if (total > maxJsonBytes) throw tooLarge();
    chunks.push(await take(size));
    await take(2);
  }
  while ((await line()) !== '') {
    // Trailers carry nothing that is used.
  }
  return Buffer.concat(chunks);
}

/** The next bytes of a stream that is left paused. */
function nextChunk(stream: Readable): Promise<Buffer> {
  const read = (): Buffer | null => stream.read() as Buffer | null;
  return new Promise((resolve, reject) => {
    const ready = read();
    if (ready !== null) {
      resolve(ready);
      return;
    }
    const done = (): void => {
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
    };
    const onReadable = (): void => {
      const chunk = read();
      if (chunk === null) return;
      done();
      resolve(chunk);
    };
    const onEnd = (): void => {
      done();
      reject(invalidParameter('invalid JSON: unexpected EOF'));
    };
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
  });
}

function tooLarge(): Error {
  return invalidParameter(`request body is larger than ${maxJsonBytes} bytes`);
}
