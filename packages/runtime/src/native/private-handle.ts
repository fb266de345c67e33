import type { Socket } from 'node:net';

type Handle = { readonly fd?: number; readStop?: () => unknown };

/** The one place that knows Node's private socket handle. */
function handleOf(socket: Socket): Handle | undefined {
  return (socket as unknown as { readonly _handle?: Handle | null })._handle ?? undefined;
}

/** The descriptor of an open plain socket, which stays owned by the socket; undefined when it has none (closed, TLS). */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = handleOf(socket)?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

/** Stops libuv from reading the socket, at once: what comes from now on stays in the kernel. */
export function stopReading(socket: Socket): void {
  handleOf(socket)?.readStop?.();
  socket.pause();
}
