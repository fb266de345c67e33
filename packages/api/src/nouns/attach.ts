import type { Duplex } from 'node:stream';
import { invalidParameter, messageOf } from '@gantry/errors';
import { skipBody } from '../http/body.ts';
import { type Call, param } from '../http/call.ts';
import { failHijacked, hijack, multiplexedStream, rawStream, wantsUpgrade } from '../http/hijack.ts';
import { acceptWebSocket, isWebSocket } from '../http/web-socket.ts';

/** `POST /containers/{name}/attach`: its errors are raw text too, as its clients read them. */
export async function attach(call: Call): Promise<void> {
  const { query } = call;
  let prepared: Awaited<ReturnType<typeof call.engine.containers.attach>>;
  try {
    prepared = await call.engine.containers.attach(param(call, 'name'), {
      stdin: query.bool('stdin'),
      stdout: query.bool('stdout'),
      stderr: query.bool('stderr'),
      logs: query.bool('logs'),
      stream: query.bool('stream'),
      detachKeys: detachKeys(query.get('detachKeys')),
      multiplexed: true,
    });
    await skipBody(call);
  } catch (error) {
    call.log.error(`api: POST ${call.request.url}: ${messageOf(error)}`, error);
    failHijacked(call, error);
    return;
  }
  const upgrade = wantsUpgrade(call);
  const type = upgrade && !prepared.tty && call.version >= 42 ? multiplexedStream : rawStream;
  const connection = hijack(call);
  await connection.write(
    upgrade
      ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
      : `HTTP/1.1 200 OK\r\nContent-Type: ${rawStream}\r\n\r\n`,
  );
  try {
    await prepared.connect(connection.connection);
  } catch (error) {
    call.log.error(`api: attach ${param(call, 'name')}: ${messageOf(error)}`, error);
    connection.end();
  }
}

/** `GET /containers/{name}/attach/ws`. */
export async function attachWebSocket(call: Call): Promise<void> {
  const { query, version } = call;
  const chosen = (key: string): boolean => version < 42 || query.bool(key);
  const prepared = await call.engine.containers.attach(param(call, 'name'), {
    stdin: chosen('stdin'),
    stdout: chosen('stdout'),
    stderr: chosen('stderr'),
    logs: query.bool('logs'),
    stream: query.bool('stream'),
    detachKeys: detachKeys(query.get('detachKeys')),
    multiplexed: false,
  });
  if (!isWebSocket(call)) {
    hijack(call).end('HTTP/1.1 400 Bad Request\r\n\r\nnot websocket protocol');
    return;
  }
  const stream: Duplex = await acceptWebSocket(call, version >= 28 ? 'binary' : 'text');
  try {
    await prepared.connect({ kind: 'stream', stream });
  } catch (error) {
    call.log.error(`api: attach ${param(call, 'name')}: ${messageOf(error)}`, error);
    stream.destroy();
  }
}

/** ctrl-p ctrl-q. */
const defaultDetachKeys = Uint8Array.of(16, 17);

/**
 * The bytes of detach keys as clients write them: `ctrl-p,ctrl-q`, `a,b`.
 * @throws invalidParameter in dockerd's words
 */
export function detachKeys(text: string): Uint8Array {
  if (text === '') return defaultDetachKeys;
  return Uint8Array.from(text.split(','), key => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toLowerCase() === '@' ? 0 : control.toUpperCase().charCodeAt(0) - 64;
    if (key.length !== 1) throw invalidParameter(`Invalid detach keys (${text}) provided`);
    return key.charCodeAt(0);
  });
}
