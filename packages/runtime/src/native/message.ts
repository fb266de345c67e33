/** Messages between daemon, launcher and shim: `struct message` of native/wire.h, then a body. */
export const MessageType = {
  launch: 1,
  run: 2,
  signal: 16,
  resize: 17,
  attach: 18,
  exec: 19,
  getDescriptor: 20,
  hold: 21,
  release: 22,
  hello: 32,
  failed: 33,
  reply: 34,
  exited: 35,
  runDone: 36,
  detached: 37,
  logNews: 38,
} as const;

export type Message = { readonly type: number; readonly request: number; readonly body: Buffer };

const HEAD = 16;
/** Largest body a peer of ours may send. */
const MAX_BODY = 1 << 20;

export function encodeMessage(type: number, request: number, descriptors: number, body: Buffer): Buffer {
  const head = Buffer.allocUnsafe(HEAD);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(body.length, 4);
  head.writeUInt32LE(request, 8);
  head.writeUInt32LE(descriptors, 12);
  return body.length === 0 ? head : Buffer.concat([head, body]);
}

/** Body of the requests about one process: two numbers and the id of an exec, empty for the first process. */
export function encodeTarget(first: number, second: number, execId: string): Buffer {
  const body = Buffer.alloc(12 + execId.length);
  body.writeUInt32LE(first >>> 0, 0);
  body.writeUInt32LE(second >>> 0, 4);
  body.writeUInt32LE(execId.length, 8);
  body.write(execId, 12, 'latin1');
  return body;
}

/** Cuts a byte stream into messages. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws RangeError when the bytes are no message */
  *push(chunk: Buffer): Generator<Message> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEAD) {
      const size = this.#rest.readUInt32LE(4);
      if (size > MAX_BODY) throw new RangeError(`a message of ${size} bytes`);
      if (this.#rest.length < HEAD + size) return;
      const message = {
        type: this.#rest.readUInt32LE(0),
        request: this.#rest.readUInt32LE(8),
        body: this.#rest.subarray(HEAD, HEAD + size),
      };
      this.#rest = this.#rest.subarray(HEAD + size);
      yield message;
    }
  }
}
