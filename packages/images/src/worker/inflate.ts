import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';

/**
 * Node's decompressors in this thread, without the way over the thread pool that their streams take for each piece: half of
 * the time of unpacking a layer. The handle below a stream is private to Node, so it is touched here alone, and checked;
 * where it is not as expected, `open` returns undefined and the stream is used.
 */
type Handle = {
  onerror: (message: string, errno: number, code: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): void;
  close(): void;
};

const OUTPUT_BYTES = 256 * 1024;
const NOTHING = Buffer.alloc(0);

/** A broken or cut off stream, with zlib's or zstd's own code for it. */
export class InflateError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = 'InflateError';
    this.code = code;
  }
}

export class Inflate implements Disposable {
  readonly #stream: Gunzip | ZstdDecompress;
  readonly #handle: Handle;
  /** Room left of the output, and input not read, after each call. */
  readonly #state: Uint32Array;
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  readonly #end: number;
  #error: InflateError | undefined;

  private constructor(stream: Gunzip | ZstdDecompress, handle: Handle, state: Uint32Array, end: number) {
    this.#stream = stream;
    this.#handle = handle;
    this.#state = state;
    this.#end = end;
    handle.onerror = (message, _, code) => {
      this.#error = new InflateError(message, code);
    };
  }

  /** Undefined when this Node is built otherwise than expected. */
  static open(compression: 'gzip' | 'zstd'): Inflate | undefined {
    const stream = compression === 'gzip' ? createGunzip() : createZstdDecompress();
    const { _handle: handle, _writeState: state } = stream as unknown as { _handle?: unknown; _writeState?: unknown };
    if (!isHandle(handle) || !(state instanceof Uint32Array) || state.length < 2) {
      stream.destroy();
      return undefined;
    }
    return new Inflate(stream, handle, state, compression === 'gzip' ? constants.Z_FINISH : constants.ZSTD_e_end);
  }

  /** Decompresses a piece; what it gives to `use` is valid until `use` returns. @throws InflateError */
  push(input: Buffer, use: (bytes: Buffer) => void): void {
    this.#write(0, input, use);
  }

  /** Tells that nothing follows. @throws InflateError when something should */
  finish(use: (bytes: Buffer) => void): void {
    this.#write(this.#end, NOTHING, use);
  }

  #write(flush: number, input: Buffer, use: (bytes: Buffer) => void): void {
    for (let at = 0; ; ) {
      const before = at;
      this.#handle.writeSync(flush, input, at, input.length - at, this.#output, 0, OUTPUT_BYTES);
      if (this.#error) throw this.#error;
      const [room = 0, left = 0] = this.#state;
      at = input.length - left;
      if (room < OUTPUT_BYTES) use(this.#output.subarray(0, OUTPUT_BYTES - room));
      // With room left it is done, but for a zstd frame's end: another frame may follow it in the same piece.
      if (room > 0 && (left === 0 || at === before)) return;
    }
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'writeSync' in value && typeof value.writeSync === 'function';
}
