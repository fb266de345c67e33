import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { netlink } from '@gantry/linux';
import type { Step } from '@gantry/runtime';

export type SandboxRequest =
  | { readonly kind: 'steps'; readonly steps: readonly Step[] }
  | { readonly kind: 'serveTcp' | 'serveUdp'; readonly address: string; readonly port: number }
  | { readonly kind: 'callTcp'; readonly address: string; readonly port: number; readonly timeoutMs: number }
  | { readonly kind: 'routes' }
  | { readonly kind: 'watch'; readonly link: string }
  | { readonly kind: 'sendFrame'; readonly frame: Uint8Array }
  | { readonly kind: 'sendTo'; readonly address: string; readonly port: number; readonly text: string }
  | { readonly kind: 'await'; readonly text: string; readonly timeoutMs: number }
  | {
      readonly kind: 'callUdp';
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly fromPort: number;
    };

const TIMEOUT_MS = 1000;

/** A process in a network namespace of its own (or, `here`, in that of the test), which serves and calls for a test. */
export class Sandbox implements Disposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #next = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: { id: number; result?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiting?.resolve(message.result);
      else waiting?.reject(new Error(message.error));
    });
  }

  static async start(here = false): Promise<Sandbox> {
    const main = `${import.meta.dirname}/sandbox-main.ts`;
    const [command = '', ...args] = [...(here ? [] : ['unshare', '-n']), process.execPath, main];
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
    await once(child, 'message');
    return new Sandbox(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Runs steps inside. */
  async run(steps: readonly Step[]): Promise<void> {
    await this.#request({ kind: 'steps', steps });
  }

  /** Answers every caller with the address it is seen under. */
  async serve(protocol: 'tcp' | 'udp', port: number, address = '0.0.0.0'): Promise<void> {
    await this.#request({ kind: protocol === 'tcp' ? 'serveTcp' : 'serveUdp', address, port });
  }

  /** Calls a server; resolves with the address that it saw. @throws with the errno's name, or `timeout` */
  async call(protocol: 'tcp' | 'udp', address: string, port: number, fromPort = 0): Promise<string> {
    const answer = await this.#request(
      protocol === 'tcp'
        ? { kind: 'callTcp', address, port, timeoutMs: TIMEOUT_MS }
        : { kind: 'callUdp', address, port, timeoutMs: TIMEOUT_MS, fromPort },
    );
    return String(answer);
  }

  /** The IPv4 routes inside. */
  async routes(): Promise<readonly netlink.Route[]> {
    return (await this.#request({ kind: 'routes' })) as netlink.Route[];
  }

  /** Sees every frame on a link from now on; frames are sent by it too. Resolves with its MAC address. */
  async watch(link: string): Promise<string> {
    return String(await this.#request({ kind: 'watch', link }));
  }

  /** Sends a frame as it is. */
  async sendFrame(frame: Uint8Array): Promise<void> {
    await this.#request({ kind: 'sendFrame', frame });
  }

  /** Sends a datagram and expects no answer. */
  async sendTo(address: string, port: number, text: string): Promise<void> {
    await this.#request({ kind: 'sendTo', address, port, text });
  }

  /** Waits for a frame with this text; resolves with the words `#...` of all frames that end in one, since `watch`. @throws `timeout` */
  async seen(text: string): Promise<readonly string[]> {
    return (await this.#request({ kind: 'await', text, timeoutMs: TIMEOUT_MS })) as string[];
  }

  #request(request: SandboxRequest): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, request });
    });
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
