import type { Socket } from 'node:net';
import { FrameDecoder } from './frames.ts';
import { drained } from './http.ts';

export type Sink = NodeJS.WritableStream;

/** A two-way stream to a container's process. */
export class Hijacked implements Disposable {
  readonly socket: Socket;
  /** Raw bytes of a terminal; otherwise frames of stdout and stderr. */
  readonly raw: boolean;

  constructor(socket: Socket, raw: boolean) {
    this.socket = socket;
    this.raw = raw;
  }

  /**
   * Copies the process's output until its end, with back-pressure.
   * @throws what broke the connection
   */
  copyOutput(stdout: Sink | undefined, stderr: Sink | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const { socket } = this;
      const write = (sink: Sink | undefined, bytes: Buffer) => {
        if (!sink || sink.write(bytes) || socket.isPaused()) return;
        socket.pause();
        sink.once('drain', () => socket.resume());
      };
      const decoder = new FrameDecoder((stream, bytes) => write(stream === 'stderr' ? stderr : stdout, bytes));
      const fail = (error: unknown) => {
        socket.destroy();
        reject(error);
      };
      socket.on('data', (piece: Buffer) => {
        if (this.raw) return write(stdout, piece);
        try {
          decoder.push(piece);
        } catch (error) {
          fail(error);
        }
      });
      socket.on('end', resolve);
      socket.on('error', fail);
      socket.on('close', () => resolve());
      socket.resume();
    });
  }

  /** Sends `input` until its end, then closes this side only; output still flows. */
  async copyInput(input: AsyncIterable<Uint8Array | string>): Promise<void> {
    for await (const piece of input) {
      if (!this.socket.writable) return;
      if (!this.socket.write(piece)) await drained(this.socket);
    }
    this.closeInput();
  }

  closeInput(): void {
    if (this.socket.writable) this.socket.end();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
