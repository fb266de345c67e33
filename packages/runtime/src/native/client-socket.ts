import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { unavailable } from '@gantry/errors';
import { socketPair } from '@gantry/linux';
import type { ClientConnection } from '../launch.ts';
import { descriptorOf, stopReading } from './private-handle.ts';

/** A client's connection on its way to a shim. */
export type ClientEnd = {
  readonly fd: number;
  /** What was read from the client already. */
  readonly head: Buffer;
  /** The shim has its own copy now: gives up ours, without a shutdown. */
  readonly release: () => void;
  /** Writes a last text to the client and ends it, when the shim could not take it. */
  readonly refuse: (text: Uint8Array) => void;
};

/**
 * Takes a client's connection out of Node's hands: a plain socket by its descriptor, anything else by one end of a socket
 * pair whose other end is relayed here.
 * @throws unavailable when the client has gone away
 */
export async function takeClient(connection: ClientConnection): Promise<ClientEnd> {
  return connection.kind === 'socket' ? takeSocket(connection.socket, connection.head) : relayStream(connection.stream);
}

async function takeSocket(socket: Socket, head: Buffer): Promise<ClientEnd> {
  stopReading(socket);
  // What the API has written (the 101 answer) must come before the shim's first byte.
  if (socket.writableLength > 0) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
  const fd = descriptorOf(socket);
  if (fd === undefined) throw unavailable('the client has closed its connection');
  const parts: Buffer[] = [head];
  if (socket.readableLength > 0) {
    const part: unknown = socket.read();
    if (Buffer.isBuffer(part)) parts.push(part);
    // Reading from the stream told libuv to go on.
    stopReading(socket);
  }
  socket.on('error', () => {});
  return {
    fd,
    head: Buffer.concat(parts),
    release: () => socket.destroy(),
    refuse: text => {
      socket.end(text);
      socket.destroySoon();
    },
  };
}

function relayStream(stream: Duplex): ClientEnd {
  const [ours, theirs] = socketPair();
  const local = new Socket({ fd: ours, allowHalfOpen: true });
  const both = (): void => {
    local.destroy();
    stream.destroy();
  };
  local.on('error', both);
  stream.on('error', both);
  stream.on('close', () => local.destroySoon());
  stream.pipe(local);
  local.pipe(stream);
  let open = true;
  const release = (): void => {
    if (open) closeSync(theirs);
    open = false;
  };
  return {
    fd: theirs,
    head: Buffer.alloc(0),
    release,
    refuse: text => {
      local.unpipe(stream);
      stream.end(text);
      release();
    },
  };
}
