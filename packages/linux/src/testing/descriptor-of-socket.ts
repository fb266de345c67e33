import type { Socket } from 'node:dgram';

/** The descriptor of a bound socket; Node keeps it to itself. */
export function descriptorOfSocket(socket: Socket): number {
  const symbol = Object.getOwnPropertySymbols(socket).find(one => one.description === 'state symbol');
  const state: unknown = symbol && Reflect.get(socket, symbol);
  const handle: unknown = typeof state === 'object' && state !== null ? Reflect.get(state, 'handle') : undefined;
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number') throw new Error('the socket has no descriptor');
  return fd;
}
