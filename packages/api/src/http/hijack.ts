import type { Socket } from 'node:net';
import type { PreparedAttach } from '@gantry/engine';
import { messageOf } from '@gantry/errors';
import type { Call } from './call.ts';
import { httpStatus } from './errors.ts';
import { STATUS_CODES } from './node-http.ts';

export const rawStream = 'application/vnd.docker.raw-stream';
export const multiplexedStream = 'application/vnd.docker.multiplexed-stream';

type ClientConnection = Parameters<PreparedAttach['connect']>[0];

/** A connection that speaks HTTP no longer. */
export type Hijacked = {
  readonly connection: ClientConnection;
  /** Writes to the client; resolves when the kernel has it. */
  write(data: string | Uint8Array): Promise<void>;
  /** Says something last and ends our side. */
  end(data?: string | Uint8Array): void;
};

/** Whether the client asked for an upgrade, so that it is answered with status 101. */
export function wantsUpgrade(call: Call): boolean {
  return call.request.headers.upgrade !== undefined;
}

/**
 * Takes the connection of a request over from HTTP. A plain connection can be handed to the shim; one over TLS has to be
 * relayed.
 */
export function hijack(call: Call): Hijacked {
  const socket = call.upgraded?.socket ?? call.request.socket;
  call.response.detachSocket(socket);
  if (!call.upgraded) releaseFromHttp(socket);
  const head = call.upgraded?.head ?? Buffer.alloc(0);
  return {
    connection: connectionOf(socket, head),
    write: data => new Promise((resolve, reject) => socket.write(data, error => (error ? reject(error) : resolve()))),
    end: data => {
      if (socket.writable) socket.end(data ?? '');
      else socket.destroy();
    },
  };
}

/** The answer of a hijacking route that failed before it began, in dockerd's raw form. */
export function failHijacked(call: Call, error: unknown): void {
  const status = httpStatus(error);
  hijack(call).end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: ${rawStream}\r\n\r\n${messageOf(error)}\r\n`,
  );
}

function connectionOf(socket: Socket, head: Buffer): ClientConnection {
  if (!isEncrypted(socket)) return { kind: 'socket', socket, head };
  if (head.length > 0) socket.unshift(head);
  return { kind: 'stream', stream: socket };
}

/** Whether it is a TLSSocket; asked without loading TLS. */
function isEncrypted(socket: Socket & { encrypted?: boolean }): boolean {
  return socket.encrypted === true;
}

/**
 * Takes Node's HTTP parser off a socket whose request is complete, for clients that expect a hijacked stream without asking
 * for an upgrade. Adding a data listener makes Node give the socket's bytes back to JavaScript; what parses them is then
 * removed. Node does the same for upgrades.
 */
function releaseFromHttp(socket: Socket): void {
  const ignore = (): void => {};
  socket.on('data', ignore);
  socket.removeAllListeners('data');
  socket.removeAllListeners('end');
  socket.removeAllListeners('drain');
  socket.removeAllListeners('timeout');
  socket.removeAllListeners('error');
  socket.setTimeout(0);
  socket.on('error', () => socket.destroy());
  socket.pause();
}
