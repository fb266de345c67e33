import { constants } from 'node:os';
import { check, type ForeignFunction, libc, SystemCallError } from '../ffi.ts';
import { encode, type Message, NetlinkControl, NetlinkFlag } from './message.ts';
import { errnoOf, type ParsedMessage, parseMessages } from './parse.ts';

const socketCall = libc('int socket(int domain, int type, int protocol)');
const sendCall = libc('long send(int fd, const void *buffer, size_t length, int flags)') as ForeignFunction & {
  readonly async: ForeignFunction;
};
const recvCall = libc('long recv(int fd, _Out_ void *buffer, size_t length, int flags)');
const setsockoptCall = libc('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const bindCall = libc('int bind(int fd, const void *address, uint32_t length)');
const closeCall = libc('int close(int fd)');

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_ADD_MEMBERSHIP = 1;
const MSG_DONTWAIT = 0x40;
const { EAGAIN, EIO, ENOBUFS } = constants.errno;
const RECEIVE_BYTES = 65536;
const TIMEOUT_SECONDS = 5;

/**
 * A netlink socket in the namespace of this process, for exchanges that cannot sleep long: the dumps at start, and tests.
 * Everything else goes to the launcher as `netlink` steps.
 * @see netlink(7)
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(RECEIVE_BYTES);
  #last: Promise<unknown> = Promise.resolve();

  constructor(protocol: number) {
    this.#fd = check(socketCall(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket', `netlink ${protocol}`);
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(TIMEOUT_SECONDS), 0);
    check(setsockoptCall(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, 16), 'setsockopt');
    check(setsockoptCall(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, Buffer.from([1, 0, 0, 0]), 4), 'setsockopt');
  }

  /** Sends messages and returns the answers. @throws SystemCallError with the first errno that the kernel answers */
  request(messages: readonly Message[]): ParsedMessage[] {
    return this.exchange(encode(messages).bytes);
  }

  /** As {@link request}, of encoded bytes. */
  exchange(bytes: Uint8Array): ParsedMessage[] {
    check(sendCall(this.#fd, bytes, bytes.length, 0), 'send', 'netlink');
    return this.#answers(bytes);
  }

  /**
   * As {@link exchange}, but sent from a thread of the pool, so that the event loop goes on while the kernel waits for a
   * lock; one after the other. Not together with the other methods on one socket.
   */
  exchangeInBackground(bytes: Uint8Array): Promise<ParsedMessage[]> {
    const answered = this.#last.then(async () => {
      const sent = await new Promise<unknown>((resolve, reject) =>
        sendCall.async(this.#fd, bytes, bytes.length, 0, (error: unknown, result: unknown) =>
          error ? reject(error) : resolve(result),
        ),
      );
      // The errno of another thread is out of reach; nothing that this socket sends is refused by send itself.
      if (Number(sent) < 0) throw new SystemCallError('send', EIO, 'netlink');
      return this.#answers(bytes);
    });
    this.#last = answered.catch(() => {});
    return answered;
  }

  #answers(bytes: Uint8Array): ParsedMessage[] {
    const sent = parseMessages(bytes);
    const waiting = new Set(sent.filter(expectsAnswer).map(message => message.sequence));
    const answers: ParsedMessage[] = [];
    let failed = 0;
    while (waiting.size > 0) {
      const length = check(recvCall(this.#fd, this.#buffer, this.#buffer.length, 0), 'recv', 'netlink');
      for (const message of parseMessages(Buffer.from(this.#buffer.subarray(0, length)))) {
        const errno = errnoOf(message);
        if (errno !== undefined) {
          if (errno !== 0 && failed === 0) failed = errno;
          // Of a batch that is refused as a whole, only its first message is answered.
          if (errno !== 0 && !waiting.has(message.sequence)) waiting.clear();
          waiting.delete(message.sequence);
        } else if (message.type === NetlinkControl.done) waiting.delete(message.sequence);
        else answers.push(message);
      }
    }
    if (failed !== 0) throw new SystemCallError('netlink', failed);
    return answers;
  }

  /** Joins a multicast group, whose events `events` returns. */
  subscribe(group: number): void {
    const name = Buffer.alloc(12);
    name.writeUInt16LE(AF_NETLINK, 0);
    // Events are not sent to sockets without a port number.
    check(bindCall(this.#fd, name, name.length), 'bind', 'netlink');
    const number = Buffer.alloc(4);
    number.writeUInt32LE(group, 0);
    check(setsockoptCall(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number, 4), 'setsockopt', `group ${group}`);
  }

  /** The events that wait, without waiting for any; undefined when there were more than the socket holds. */
  events(): ParsedMessage[] | undefined {
    const events: ParsedMessage[] = [];
    let lost = false;
    for (;;) {
      try {
        const length = check(recvCall(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT), 'recv', 'netlink');
        events.push(...parseMessages(Buffer.from(this.#buffer.subarray(0, length))));
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        if (error.errno === ENOBUFS) lost = true;
        else if (error.errno === EAGAIN) return lost ? undefined : events;
        else throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    closeCall(this.#fd);
  }
}

/** An acknowledgement, or the end of a dump. */
function expectsAnswer({ flags }: ParsedMessage): boolean {
  return (flags & NetlinkFlag.ack) !== 0 || (flags & NetlinkFlag.dump) === NetlinkFlag.dump;
}
