import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { systemError } from '@gantry/errors';
import type { WebSocket } from 'ws';
import type { Call } from './call.ts';

/** Beyond this many unsent bytes the container waits for the client. */
const highWaterMarkBytes = 64 * 1024;
/** A client's message may be this long. */
const maxPayloadBytes = 16 * 1024 * 1024;

/** Whether the request is the handshake of a WebSocket. */
export function isWebSocket(call: Call): boolean {
  const { headers } = call.request;
  return (
    call.upgraded !== undefined &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-key'] !== undefined
  );
}

/** Answers the handshake; what is written to the stream is sent as frames of the type `frames`. */
export async function acceptWebSocket(call: Call, frames: 'binary' | 'text'): Promise<Duplex> {
  const { upgraded } = call;
  if (!upgraded) throw systemError('the connection was not upgraded');
  // Loaded at the first use: few daemons ever see a WebSocket.
  const { WebSocketServer } = await import('ws');
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxPayloadBytes });
  call.response.detachSocket(upgraded.socket);
  const accepted = once(server, 'connection', { signal: call.signal });
  server.handleUpgrade(call.request, upgraded.socket, upgraded.head, (client, request) => {
    server.emit('connection', client, request);
  });
  const [client] = (await accepted) as [WebSocket];
  return streamOf(client, frames === 'binary');
}

function streamOf(client: WebSocket, binary: boolean): Duplex {
  const stream = new Duplex({
    readableHighWaterMark: highWaterMarkBytes,
    writableHighWaterMark: highWaterMarkBytes,
    read: () => client.resume(),
    write: (chunk: Buffer, _encoding, done) => client.send(chunk, { binary }, error => done(error)),
    final: done => {
      client.close(1000);
      done();
    },
    destroy: (error, done) => {
      client.terminate();
      done(error);
    },
  });
  client.on('message', data => {
    const chunk = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
    if (!stream.push(chunk)) client.pause();
  });
  client.on('close', () => {
    stream.push(null);
    stream.end();
  });
  client.on('error', error => stream.destroy(error));
  return stream;
}
