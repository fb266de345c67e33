/**
 * Docker's stream frames: one byte of stream (0 stdin, 1 stdout, 2 stderr), three of nothing, four of length (big endian), payload.
 * Pieces may be cut anywhere; payloads of one stream that arrive together are given together.
 * @see Docker Engine API, ContainerAttach, "Stream format"
 */
export class FrameDecoder {
  readonly #write: (stream: 'stdout' | 'stderr', bytes: Buffer) => void;
  readonly #header = Buffer.alloc(8);
  #headerFilled = 0;
  #left = 0;
  #stream = 1;

  /** @param write given payloads in order; the bytes are the callee's to keep. May throw, as this does for a frame of the engine's own errors. */
  constructor(write: (stream: 'stdout' | 'stderr', bytes: Buffer) => void) {
    this.#write = write;
  }

  /** @throws Error with the engine's text for a frame of stream 3, or for bytes that are no frames */
  push(piece: Buffer): void {
    // One copy into `out` instead of a slice a frame: a log has millions of frames of one short line.
    let out = Buffer.allocUnsafe(piece.length);
    let filled = 0;
    let outStream = this.#stream;
    const flush = () => {
      if (filled === 0) return;
      this.#write(outStream === 2 ? 'stderr' : 'stdout', out.subarray(0, filled));
      out = out.subarray(filled);
      filled = 0;
    };
    for (let at = 0; at < piece.length; ) {
      if (this.#left === 0) {
        const take = Math.min(8 - this.#headerFilled, piece.length - at);
        piece.copy(this.#header, this.#headerFilled, at, at + take);
        at += take;
        this.#headerFilled += take;
        if (this.#headerFilled < 8) break;
        this.#headerFilled = 0;
        this.#stream = this.#header[0] ?? 0;
        if (this.#stream > 3) {
          flush();
          throw new Error(`Unrecognized input header: ${this.#stream}`);
        }
        this.#left = this.#header.readUInt32BE(4);
        continue;
      }
      const take = Math.min(this.#left, piece.length - at);
      if (this.#stream !== outStream) {
        flush();
        outStream = this.#stream;
      }
      if (this.#stream === 3) throw new Error(`error from daemon in stream: ${piece.toString('utf8', at, at + take)}`);
      piece.copy(out, filled, at, at + take);
      filled += take;
      at += take;
      this.#left -= take;
    }
    flush();
  }
}
