import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemError, unavailable } from '@gantry/errors';
import { socketPair } from '@gantry/linux';
import type { Launcher, LaunchRequest, Shim } from '../launch.ts';
import type { Slot, Step } from '../plan/steps.ts';
import { takeClient } from './client-socket.ts';
import { Connection } from './connection.ts';
import { decodeFailure, hostPlanError, launchError } from './failure.ts';
import { TraceFile } from './launch-trace.ts';
import { memoryRequest } from './memory-request.ts';
import { MessageType } from './message.ts';
import { ShimConnection } from './shim-connection.ts';

/** Where `make -C packages/runtime/native` leaves the binary. */
export const NATIVE_BINARY = fileURLToPath(new URL('../../native/build/gantry-native', import.meta.url));

export type LauncherOptions = {
  /** Path of gantry-native; {@link NATIVE_BINARY} by default. */
  readonly binary?: string;
  /** Told when the launcher died; it is being restarted. */
  readonly onExit?: (why: string) => void;
};

/** A launcher that lives shorter than this is restarted after a pause, twice as long each time. */
const STABLE_MS = 1000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
/** What the shim itself needs beyond the plan's own time-out. */
const GRACE_MS = 5000;
/** Host plans under way at once; more wait here. native/launcher.c takes 256. */
const MAX_RUNS = 64;
const FAILURE_SIZE = 16;
const ANSWER_HEAD = 8;

/**
 * Starts the native launcher and keeps it running.
 * @throws unavailable when the binary is missing or cannot be executed
 */
export async function startLauncher(options: LauncherOptions = {}): Promise<Launcher> {
  const launcher = new LauncherProcess(options);
  await launcher.started;
  return launcher;
}

class LauncherProcess implements Launcher {
  readonly #binary: string;
  readonly #onExit: (why: string) => void;
  #child: ChildProcess | undefined;
  #connection: Connection | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #disposed = false;
  #ended: Promise<void> = Promise.resolve();
  /** Settles when the current process runs (or, after a death, its successor). */
  started: Promise<void>;

  constructor(options: LauncherOptions) {
    this.#binary = options.binary ?? NATIVE_BINARY;
    this.#onExit = options.onExit ?? (() => {});
    this.started = this.#spawn();
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  #spawn(): Promise<void> {
    const startedMs = performance.now();
    const child = spawn(this.#binary, ['launcher'], {
      argv0: 'gantry-launcher',
      cwd: '/',
      // Nothing of the daemon's environment or terminal reaches a container by way of its parents.
      env: {},
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    this.#child = child;
    const control = child.stdio[3];
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    if (control instanceof Socket)
      this.#connection = new Connection(
        control,
        'the launcher',
        () => {},
        () => {},
      );
    child.once('exit', (code, signal) => {
      resolve();
      this.#died(signal === null ? `it exited with status ${code}` : `it was killed by ${signal}`, startedMs);
    });
    return new Promise((started, failed) => {
      child.once('spawn', started);
      child.once('error', error => {
        resolve();
        this.#disposed = true;
        failed(
          unavailable(`the native launcher ${this.#binary} cannot be started: ${error.message}`, {
            hint: 'build it with `make -C packages/runtime/native`',
            cause: error,
          }),
        );
      });
    });
  }

  #died(why: string, startedMs: number): void {
    if (this.#disposed) return;
    this.#connection?.close();
    this.#connection = undefined;
    const stable = performance.now() - startedMs >= STABLE_MS;
    const pauseMs = stable ? 0 : this.#pauseMs;
    this.#pauseMs = stable ? FIRST_PAUSE_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    this.started =
      pauseMs === 0
        ? this.#spawn()
        : new Promise(resolve => setTimeout(resolve, pauseMs)).then(() => (this.#disposed ? undefined : this.#spawn()));
    this.started.catch(() => {});
    this.#onExit(why);
  }

  async #connected(): Promise<Connection> {
    if (this.#connection === undefined) await this.started;
    if (this.#connection === undefined || this.#disposed) throw unavailable('the launcher has been stopped');
    return this.#connection;
  }

  async launch(request: LaunchRequest): Promise<Shim> {
    // A client that has gone meanwhile is no reason not to start.
    const clients = (
      await Promise.all(
        request.attachments.map(({ options, connection }) =>
          takeClient(connection).then(
            client => ({ ...client, options }),
            () => undefined,
          ),
        ),
      )
    ).filter(client => client !== undefined);
    const release = (): void => {
      for (const client of clients) client.release();
    };
    try {
      const connection = await this.#connected();
      const plan = memoryRequest({
        ...request,
        kind: 'launch',
        traced: request.onTrace !== undefined,
        slotCount: request.slots.length,
        attachments: clients.map(({ options, head }) => ({ options, head })),
      });
      using trace = request.onTrace === undefined ? undefined : new TraceFile(plan);
      const [ours, theirs] = socketPair();
      const { greeting, close } = ShimConnection.greet(request.id, request.runDir, new Socket({ fd: ours }));
      const timer = setTimeout(close, request.timeoutMs + GRACE_MS);
      try {
        connection.send({
          type: MessageType.launch,
          descriptors: [theirs, plan, ...request.slots, ...clients.map(client => client.fd)],
          release: () => {
            closeSync(theirs);
            closeSync(plan);
            release();
          },
        });
        const answer = await greeting;
        if (answer.kind === 'running') {
          request.onTrace?.(trace?.read(request.plan));
          return answer.shim;
        }
        if (answer.kind === 'failed') throw launchError('launch', decodeFailure(answer.body, request.plan));
        throw unavailable(`container ${request.id.slice(0, 12)} was not started: its shim ended, or the launcher did`, {
          hint: 'try again; the launcher is restarted by itself',
          exitCode: 125,
        });
      } finally {
        clearTimeout(timer);
        if ((await Promise.race([greeting, undefined]))?.kind !== 'running') close();
      }
    } catch (error) {
      release();
      throw error;
    }
  }

  async run(steps: readonly Step[], slots: readonly Slot[] = []): Promise<ReadonlyMap<number, Buffer>> {
    if (this.#running >= MAX_RUNS) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await this.#run(steps, slots);
    } finally {
      // The place is handed on, or given back.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  async #run(steps: readonly Step[], slots: readonly Slot[]): Promise<ReadonlyMap<number, Buffer>> {
    const connection = await this.#connected();
    const plan = memoryRequest({ kind: 'run', id: '', plan: { prepare: steps }, slotCount: slots.length });
    try {
      const { body } = await connection.request({ type: MessageType.run, descriptors: [plan, ...slots] });
      if (body.readUInt32LE(8) !== 0) throw hostPlanError(steps, body);
      const size = body.readUInt32LE(FAILURE_SIZE);
      const inlined = body.subarray(FAILURE_SIZE + 4);
      return readAnswers(inlined.length === size ? inlined : readBack(plan, size));
    } finally {
      closeSync(plan);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#connection?.close();
    await this.#ended;
  }
}

/** A long answer, which the helper wrote over the plan. */
function readBack(plan: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  if (fstatSync(plan).size < size || readSync(plan, buffer, 0, size, 0) !== size) {
    throw systemError('the answer of a host plan is incomplete');
  }
  return buffer;
}

/** Answers by step index; the datagrams of one step are joined. */
function readAnswers(data: Buffer): Map<number, Buffer> {
  const answers = new Map<number, Buffer>();
  for (let at = 0; at < data.length; ) {
    const index = data.readUInt32LE(at);
    const size = data.readUInt32LE(at + 4);
    const part = data.subarray(at + ANSWER_HEAD, at + ANSWER_HEAD + size);
    const before = answers.get(index);
    answers.set(index, before === undefined ? part : Buffer.concat([before, part]));
    at += ANSWER_HEAD + size;
  }
  return answers;
}
