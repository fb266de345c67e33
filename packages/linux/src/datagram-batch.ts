import { addressOf, libc } from './ffi.ts';

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
/** struct mmsghdr of 64-bit machines. @see recvmmsg(2) */
const MMSGHDR = 64;
const IOVEC = 16;
const ADDRESS = 32;

const recvmmsg = libc('int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)');
const sendmmsg = libc('int sendmmsg(int fd, void *messages, unsigned int count, int flags)');

/**
 * Takes many datagrams from a socket by one system call, and answers them by another; nothing is allocated meanwhile.
 * One object serves any number of sockets, one after another. The socket stays its owner's.
 * @see recvmmsg(2), sendmmsg(2)
 */
export class DatagramBatch {
  readonly #capacity: number;
  readonly #size: number;
  readonly #incoming: Buffer;
  readonly #outgoing: Buffer;
  readonly #addresses: Buffer;
  readonly #receive: Side;
  readonly #send: Side;
  #toSend = 0;

  /** @param capacity datagrams at a time @param size bytes of the longest one, in either direction */
  constructor(capacity: number, size: number) {
    this.#capacity = capacity;
    this.#size = size;
    this.#incoming = stable(capacity * size);
    this.#outgoing = stable(capacity * size);
    this.#addresses = stable(capacity * ADDRESS);
    this.#receive = new Side(capacity, this.#incoming, size, this.#addresses);
    this.#send = new Side(capacity, this.#outgoing, size, this.#addresses);
  }

  /** Takes what waits in the socket, up to the capacity; 0 when nothing does, or the socket has an error. */
  receive(fd: number): number {
    this.#toSend = 0;
    this.#receive.resetNames();
    const count = recvmmsg(fd, this.#receive.headers, this.#capacity, MSG_DONTWAIT, null);
    return typeof count === 'number' && count > 0 ? count : 0;
  }

  /** The bytes of a received datagram, valid until the next `receive`; empty when it was longer than the longest. */
  message(index: number): Buffer {
    const { size, cut } = this.#receive.result(index);
    const at = index * this.#size;
    return this.#incoming.subarray(at, cut ? at : at + size);
  }

  /** Port and IPv4 address that a received datagram came from. */
  source(index: number): { readonly port: number; readonly address: string } {
    const at = index * ADDRESS;
    return {
      port: this.#addresses.readUInt16BE(at + 2),
      address: [...this.#addresses.subarray(at + 4, at + 8)].join('.'),
    };
  }

  /** Room for the next answer, to be written before `answer`. */
  get room(): Buffer {
    const at = this.#toSend * this.#size;
    return this.#outgoing.subarray(at, at + this.#size);
  }

  /** Puts the first `size` bytes of the room down as the answer to a received datagram. */
  answer(index: number, size: number): void {
    this.#send.prepare(this.#toSend++, size, index, this.#receive.nameSize(index));
  }

  /** Sends the answers. Those that find the socket full are dropped, as a network would. */
  flush(fd: number): void {
    if (this.#toSend > 0) sendmmsg(fd, this.#send.headers, this.#toSend, MSG_DONTWAIT);
    this.#toSend = 0;
  }
}

/** The headers of one direction. */
class Side {
  readonly headers: bigint;
  readonly #view: DataView;
  readonly #capacity: number;
  readonly #names: bigint;

  constructor(capacity: number, data: Buffer, size: number, names: Buffer) {
    const memory = stable(capacity * (MMSGHDR + IOVEC));
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.length);
    this.#capacity = capacity;
    this.headers = addressOf(memory);
    this.#names = addressOf(names);
    const bytes = addressOf(data);
    for (let index = 0; index < capacity; index++) {
      const head = index * MMSGHDR;
      const vector = capacity * MMSGHDR + index * IOVEC;
      this.#view.setBigUint64(head, this.#names + BigInt(index * ADDRESS), true);
      this.#view.setUint32(head + 8, ADDRESS, true);
      this.#view.setBigUint64(head + 16, this.headers + BigInt(vector), true);
      this.#view.setBigUint64(head + 24, 1n, true);
      this.#view.setBigUint64(vector, bytes + BigInt(index * size), true);
      this.#view.setBigUint64(vector + 8, BigInt(size), true);
    }
  }

  /** The kernel has written the sizes of the last names. */
  resetNames(): void {
    for (let index = 0; index < this.#capacity; index++) this.#view.setUint32(index * MMSGHDR + 8, ADDRESS, true);
  }

  nameSize(index: number): number {
    return this.#view.getUint32(index * MMSGHDR + 8, true);
  }

  result(index: number): { readonly size: number; readonly cut: boolean } {
    const head = index * MMSGHDR;
    return {
      size: this.#view.getUint32(head + 56, true),
      cut: (this.#view.getUint32(head + 48, true) & MSG_TRUNC) !== 0,
    };
  }

  prepare(index: number, size: number, nameIndex: number, nameSize: number): void {
    const head = index * MMSGHDR;
    this.#view.setBigUint64(head, this.#names + BigInt(nameIndex * ADDRESS), true);
    this.#view.setUint32(head + 8, nameSize, true);
    this.#view.setBigUint64(this.#capacity * MMSGHDR + index * IOVEC + 8, BigInt(size), true);
  }
}

/** Memory of its own, outside of Node's pool, whose address never changes. */
const stable = (size: number): Buffer => Buffer.from(new ArrayBuffer(size));
