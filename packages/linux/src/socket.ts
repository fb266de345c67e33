import { addressOf, check, libc } from './ffi.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** Most descriptors that one message may carry. */
const SCM_MAX_FD = 253;

const socketpairFunction = libc('int socketpair(int domain, int type, int protocol, void *pair)');
const sendmsgFunction = libc('long sendmsg(int fd, void *message, int flags)');
const recvmsgFunction = libc('long recvmsg(int fd, void *message, int flags)');
const memfdCreateFunction = libc('int memfd_create(const char *name, unsigned int flags)');
const fcntlFunction = libc('int fcntl(int fd, int command, int argument)');

// One set of structures for all calls: every call here is synchronous, and the addresses never change.
const memory = new ArrayBuffer(8192);
const view = new DataView(memory);
const base = addressOf(new Uint8Array(memory));
const MSGHDR = 0;
const IOVEC = 64;
const PAIR = 128;
const CONTROL = 256;
const CONTROL_HEAD = 16;
const CONTROL_SIZE = CONTROL_HEAD + SCM_MAX_FD * 4 + 4;
const BYTES = 2048;

function message(payloadAddress: bigint, payloadSize: number, controlSize: number): bigint {
  view.setBigUint64(MSGHDR, 0n, true);
  view.setBigUint64(MSGHDR + 8, 0n, true);
  view.setBigUint64(MSGHDR + 16, base + BigInt(IOVEC), true);
  view.setBigUint64(MSGHDR + 24, 1n, true);
  view.setBigUint64(MSGHDR + 32, controlSize > 0 ? base + BigInt(CONTROL) : 0n, true);
  view.setBigUint64(MSGHDR + 40, BigInt(controlSize), true);
  view.setBigUint64(MSGHDR + 48, 0n, true);
  view.setBigUint64(IOVEC, payloadAddress, true);
  view.setBigUint64(IOVEC + 8, BigInt(payloadSize), true);
  return base + BigInt(MSGHDR);
}

/** A connected pair of unix stream sockets, both close-on-exec. @see socketpair(2) */
export function socketPair(): [number, number] {
  check(socketpairFunction(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, base + BigInt(PAIR)), 'socketpair');
  return [view.getInt32(PAIR, true), view.getInt32(PAIR + 4, true)];
}

/**
 * Sends `payload` (at most 4096 bytes) with copies of `descriptors` in one piece, without waiting.
 * @throws SystemCallError EAGAIN when the socket is full, EPIPE when the other end is closed
 * @see unix(7), SCM_RIGHTS
 */
export function sendDescriptors(socket: number, payload: Uint8Array, descriptors: readonly number[]): void {
  new Uint8Array(memory, BYTES, payload.byteLength).set(payload);
  let controlSize = 0;
  if (descriptors.length > 0) {
    const length = CONTROL_HEAD + descriptors.length * 4;
    view.setBigUint64(CONTROL, BigInt(length), true);
    view.setInt32(CONTROL + 8, SOL_SOCKET, true);
    view.setInt32(CONTROL + 12, SCM_RIGHTS, true);
    descriptors.forEach((fd, index) => {
      view.setInt32(CONTROL + CONTROL_HEAD + index * 4, fd, true);
    });
    controlSize = (length + 7) & ~7;
  }
  const header = message(base + BigInt(BYTES), payload.byteLength, controlSize);
  check(sendmsgFunction(socket, header, MSG_DONTWAIT | MSG_NOSIGNAL), 'sendmsg');
}

/**
 * Receives at most 4096 bytes and the descriptors that came with them (close-on-exec, owned by the caller), without waiting.
 * @throws SystemCallError EAGAIN when there is nothing
 */
export function receiveDescriptors(socket: number): { payload: Buffer; descriptors: number[] } {
  const header = message(base + BigInt(BYTES), 4096, CONTROL_SIZE);
  const size = check(recvmsgFunction(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 'recvmsg');
  const descriptors: number[] = [];
  const controlSize = Number(view.getBigUint64(MSGHDR + 40, true));
  if (controlSize >= CONTROL_HEAD && view.getInt32(CONTROL + 12, true) === SCM_RIGHTS) {
    const length = Number(view.getBigUint64(CONTROL, true));
    for (let at = CONTROL_HEAD; at < length; at += 4) descriptors.push(view.getInt32(CONTROL + at, true));
  }
  return { payload: Buffer.from(new Uint8Array(memory, BYTES, size)), descriptors };
}

/** An anonymous file in memory, close-on-exec. @see memfd_create(2) */
export function memoryFile(name: string): number {
  return check(memfdCreateFunction(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create', name);
}

/** Adds F_SEAL_* `seals` to a memory file. @see fcntl(2) */
export function addSeals(fd: number, seals: number): void {
  check(fcntlFunction(fd, F_ADD_SEALS, seals), 'fcntl');
}

/** Clears close-on-exec: a child process gets this descriptor under the same number. */
export function keepAcrossExec(fd: number): void {
  const F_SETFD = 2;
  check(fcntlFunction(fd, F_SETFD, 0), 'fcntl');
}
