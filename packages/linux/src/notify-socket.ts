import { closeSync } from 'node:fs';
import { addressOf, check, libc } from './ffi.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** sockaddr_un.sun_path. */
const MAX_PATH = 108;

const socketFunction = libc('int socket(int domain, int type, int protocol)');
const sendtoFunction = libc('long sendto(int fd, void *bytes, unsigned long size, int flags, void *to, int toSize)');

/**
 * Sends a state as `READY=1` to the socket that a service manager gave in NOTIFY_SOCKET; `@` begins an abstract name.
 * @throws SystemCallError when nobody listens there, RangeError for a name that is too long
 * @see sd_notify(3)
 */
export function notifyServiceManager(socketName: string, state: string): void {
  const name = Buffer.from(socketName);
  if (name.length === 0 || name.length > MAX_PATH) throw new RangeError(`not a socket name: ${socketName}`);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  if (socketName.startsWith('@')) address[2] = 0;
  const bytes = Buffer.from(state);
  const socket = check(socketFunction(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    check(
      sendtoFunction(socket, addressOf(bytes), bytes.length, flags, addressOf(address), address.length),
      'sendto',
      socketName,
    );
  } finally {
    closeSync(socket);
  }
}
