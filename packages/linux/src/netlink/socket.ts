import { constants } from 'node:os';
import { check, type ForeignFunction, libc, SystemCallError } from '../ffi.ts';
import { encode, type Message, NetlinkControl, NetlinkFlag } from './message.ts';
import { errnoOf, type ParsedMessage, parseMessages } from './parse.ts';

const socketCall = libc('int socket(int domain, int type, int protocol)');
const sendCall = libc('long send(int fd, const void *buffer, size_t length, int flags)') as BackgroundFunction;
const recvCall = libc('long recv(int fd, _Out_ void *buffer, size_t length, int flags)') as BackgroundFunction;
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
    const answers = new Answers(bytes);
    while (!answers.complete) {
      const length = check(recvCall(this.#fd, this.#buffer, this.#buffer.length, 0), 'recv', 'netlink');
      answers.add(this.#buffer.subarray(0, length));
    }
    if (answers.failed) this.#drain();
    return answers.result();
  }

  /**
   * As {@link exchange}, but from threads of the pool, so that the event loop goes on while the kernel waits for a lock or
   * walks a long table; one after the other. Not together with the other methods on one socket.
   */
  exchangeInBackground(bytes: Uint8Array): Promise<ParsedMessage[]> {
    const done = this.#last.then(async () => {
      await inBackground('send', sendCall, this.#fd, bytes, bytes.length, 0);
      const answers = new Answers(bytes);
      while (!answers.complete) {
        const length = await inBackground('recv', recvCall, this.#fd, this.#buffer, this.#buffer.length, 0);
        answers.add(this.#buffer.subarray(0, length));
      }
      if (answers.failed) this.#drain();
      return answers.result();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  /** A transaction that is refused is answered once for each of its mistakes: none may be taken for a later answer. */
  #drain(): void {
    while (Number(recvCall(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT)) > 0);
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

/** Collects the answers to sent messages. */
class Answers {
  readonly #waiting: Set<number>;
  readonly #answers: ParsedMessage[] = [];
  #failed = 0;

  constructor(sent: Uint8Array) {
    this.#waiting = new Set(
      parseMessages(sent)
        .filter(expectsAnswer)
        .map(message => message.sequence),
    );
  }

  get complete(): boolean {
    return this.#waiting.size === 0;
  }

  get failed(): boolean {
    return this.#failed !== 0;
  }

  add(datagram: Uint8Array): void {
    for (const message of parseMessages(Buffer.from(datagram))) {
      const errno = errnoOf(message);
      if (errno === undefined) {
        if (message.type === NetlinkControl.done) this.#waiting.delete(message.sequence);
        else this.#answers.push(message);
        continue;
      }
      if (errno !== 0 && this.#failed === 0) this.#failed = errno;
      // Of a batch that is refused as a whole, only its first message is answered.
      if (errno !== 0 && !this.#waiting.has(message.sequence)) this.#waiting.clear();
      this.#waiting.delete(message.sequence);
    }
  }

  /** @throws SystemCallError with the first errno that the kernel answered */
  result(): ParsedMessage[] {
    if (this.#failed !== 0) throw new SystemCallError('netlink', this.#failed);
    return this.#answers;
  }
}

type BackgroundFunction = ForeignFunction & { readonly async: ForeignFunction };

function inBackground(name: string, call: BackgroundFunction, ...args: readonly unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: unknown, result: unknown) => {
      if (error) reject(error);
      // The errno of another thread is out of reach; what can happen here is a time-out of recv.
      else if (Number(result) < 0) reject(new SystemCallError(name, EIO, 'netlink'));
      else resolve(Number(result));
    });
  });
}

/** An acknowledgement, or the end of a dump. */
function expectsAnswer({ flags }: ParsedMessage): boolean {
  return (flags & NetlinkFlag.ack) !== 0 || (flags & NetlinkFlag.dump) === NetlinkFlag.dump;
}
