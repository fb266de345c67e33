import { check, libc } from './ffi.ts';
import { ipBytes } from './ip-address.ts';
import { parseMac } from './netlink/index.ts';

const socketCall = libc('int socket(int domain, int type, int protocol)');
const bindCall = libc('int bind(int fd, const void *address, uint32_t length)');
const sendCall = libc('long send(int fd, const void *buffer, size_t length, int flags)');
const recvCall = libc('long recv(int fd, _Out_ void *buffer, size_t length, int flags)');
const closeCall = libc('int close(int fd)');

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 0x0003;
const ETH_P_IP = 0x0800;
const MSG_DONTWAIT = 0x40;

/** Sends frames as they are by a link, and sees all that pass it. @see packet(7) */
export class PacketSocket implements Disposable {
  readonly #fd: number;

  constructor(linkIndex: number) {
    this.#fd = check(socketCall(AF_PACKET, SOCK_RAW, 0), 'socket', 'packet');
    const name = Buffer.alloc(20);
    name.writeUInt16LE(AF_PACKET, 0);
    name.writeUInt16BE(ETH_P_ALL, 2);
    name.writeInt32LE(linkIndex, 4);
    check(bindCall(this.#fd, name, name.length), 'bind', `link ${linkIndex}`);
  }

  send(frame: Uint8Array): void {
    check(sendCall(this.#fd, frame, frame.length, 0), 'send', 'packet');
  }

  /** The frames that wait, without waiting for any. */
  receive(): Buffer[] {
    const frames: Buffer[] = [];
    for (;;) {
      const frame = Buffer.alloc(2048);
      const size = Number(recvCall(this.#fd, frame, frame.length, MSG_DONTWAIT));
      if (size < 0) return frames;
      frames.push(frame.subarray(0, size));
    }
  }

  [Symbol.dispose](): void {
    closeCall(this.#fd);
  }
}

export type Datagram = {
  readonly fromMac: string;
  readonly toMac: string;
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
  readonly text: string;
};

/** A frame with a UDP datagram, whatever the addresses claim. */
export function datagramFrame({ fromMac, toMac, from, fromPort, to, toPort, text }: Datagram): Buffer {
  const payload = Buffer.from(text);
  const frame = Buffer.alloc(14 + 20 + 8 + payload.length);
  frame.set(parseMac(toMac), 0);
  frame.set(parseMac(fromMac), 6);
  frame.writeUInt16BE(ETH_P_IP, 12);
  frame.writeUInt8(0x45, 14);
  frame.writeUInt16BE(frame.length - 14, 16);
  frame.writeUInt8(64, 22);
  frame.writeUInt8(17, 23);
  frame.set(ipBytes(from), 26);
  frame.set(ipBytes(to), 30);
  frame.writeUInt16BE(checksum(frame.subarray(14, 34)), 24);
  frame.writeUInt16BE(fromPort, 34);
  frame.writeUInt16BE(toPort, 36);
  frame.writeUInt16BE(8 + payload.length, 38);
  frame.set(payload, 42);
  return frame;
}

/** @see RFC 1071 */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
