import { check, libc, SystemCallError } from './ffi.ts';
import { ipBytes } from './ip-address.ts';

const socketCall = libc('int socket(int domain, int type, int protocol)');
const bindCall = libc('int bind(int fd, const void *address, uint32_t length)');
const setsockoptCall = libc('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const closeCall = libc('int close(int fd)');

const SOCK = { tcp: 1, udp: 2, sctp: 1 } as const;
const SOCK_CLOEXEC = 0x80000;
const IPPROTO_SCTP = 132;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const ONE = Buffer.from([1, 0, 0, 0]);

/**
 * The errno with which the kernel refuses to bind a port now, undefined when it is free. Nothing is kept; a few
 * microseconds. An IPv6 address stands for IPv6 only.
 */
export function probePort(protocol: keyof typeof SOCK, address: string, port: number): number | undefined {
  const bytes = ipBytes(address);
  const v6 = bytes.length === 16;
  try {
    const fd = check(
      socketCall(v6 ? 10 : 2, SOCK[protocol] | SOCK_CLOEXEC, protocol === 'sctp' ? IPPROTO_SCTP : 0),
      'socket',
    );
    try {
      if (v6) setsockoptCall(fd, IPPROTO_IPV6, IPV6_V6ONLY, ONE, 4);
      if (protocol === 'tcp') setsockoptCall(fd, SOL_SOCKET, SO_REUSEADDR, ONE, 4);
      const name = Buffer.alloc(v6 ? 28 : 16);
      name.writeUInt16LE(v6 ? 10 : 2, 0);
      name.writeUInt16BE(port, 2);
      name.set(bytes, v6 ? 8 : 4);
      check(bindCall(fd, name, name.length), 'bind');
    } finally {
      closeCall(fd);
    }
    return undefined;
  } catch (error) {
    if (error instanceof SystemCallError) return error.errno;
    throw error;
  }
}
