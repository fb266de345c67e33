import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { socketPair } from '@gantry/linux';
import type { Attachment, AttachOptions, Launcher, LaunchRequest, Shim, Stdio } from '../launch.ts';
import type { Step } from '../plan/steps.ts';
import { startLauncher } from './launcher.ts';

/** mount, cgroup, uts, ipc, pid and net namespaces. */
export const NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000;

export const needsRoot = { skip: process.getuid?.() !== 0 && 'needs root' };

export const NO_STDIN: Stdio = { tty: false, openStdin: false, stdinOnce: false };
export const ENV = ['PATH=/usr/local/bin:/usr/bin:/bin'];

/** The steps of a child that runs a shell script with the host's files, in namespaces of its own. */
export function shell(script: string): Step[] {
  return [{ op: 'setsid' }, { op: 'exec', argv: ['/bin/sh', '-c', script], env: ENV }];
}

/** Everything that a test starts, ended with it. */
export class Bench implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-native-'));
  readonly deaths: string[] = [];
  /** The launcher's first death. */
  readonly death = Promise.withResolvers<void>();
  readonly #shims: Shim[] = [];
  #launcher: Promise<Launcher> | undefined;
  #count = 0;

  launcher(): Promise<Launcher> {
    this.#launcher ??= startLauncher({
      // Such as the build of `make sanitize`.
      binary: process.env.GANTRY_NATIVE,
      onExit: why => {
        this.deaths.push(why);
        this.death.resolve();
      },
    });
    return this.#launcher;
  }

  runDir(): string {
    const directory = join(this.directory, `run-${this.#count++}`);
    mkdirSync(directory);
    return directory;
  }

  get logPath(): string {
    return join(this.directory, 'log.json');
  }

  /** Launches a shell script, or other steps. */
  async launch(child: string | readonly Step[], request: Partial<LaunchRequest> = {}): Promise<Shim> {
    const launcher = await this.launcher();
    const shim = await launcher.launch({
      id: 'c'.repeat(64),
      runDir: request.runDir ?? this.runDir(),
      plan: {
        cloneFlags: NEW_NAMESPACES,
        prepare: [],
        parent: [],
        child: typeof child === 'string' ? shell(child) : child,
      },
      slots: [],
      stdio: NO_STDIN,
      log: { driver: 'none' },
      attachments: [],
      timeoutMs: 10_000,
      ...request,
    });
    this.#shims.push(shim);
    return shim;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const shim of this.#shims) {
      await shim.signal('init', 9).then(
        () => shim.exited,
        () => undefined,
      );
      await shim[Symbol.asyncDispose]();
    }
    await (await this.#launcher)?.[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A client of an attachment: its own end, and what it has read. */
export class Client {
  readonly socket: Socket;
  readonly attachment: Attachment;
  readonly ended: Promise<void>;
  readonly #chunks: Buffer[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(options: Partial<AttachOptions> = {}, head = '') {
    const [ours, theirs] = socketPair();
    this.socket = new Socket({ fd: ours, allowHalfOpen: true });
    this.ended = new Promise(resolve => {
      this.socket.once('end', resolve);
      this.socket.once('close', () => resolve());
    });
    this.socket.on('error', () => {});
    this.socket.on('data', chunk => {
      this.#chunks.push(chunk);
      for (const watcher of this.#watchers) watcher();
    });
    this.attachment = {
      options: { stdin: true, stdout: true, stderr: true, detachKeys: new Uint8Array(), multiplexed: true, ...options },
      connection: { kind: 'socket', socket: new Socket({ fd: theirs }), head: Buffer.from(head) },
    };
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** Resolves when what was read holds `text`. */
  async reads(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      await new Promise<void>(resolve => {
        const watcher = (): void => {
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
    }
  }

  /** The frames' payloads, by stream. */
  get streams(): { stdout: string; stderr: string } {
    const streams = { stdout: '', stderr: '' };
    for (let at = 0; at < this.bytes.length; ) {
      const size = this.bytes.readUInt32BE(at + 4);
      const text = this.bytes.toString('utf8', at + 8, at + 8 + size);
      if (this.bytes[at] === 1) streams.stdout += text;
      else streams.stderr += text;
      at += 8 + size;
    }
    return streams;
  }
}
