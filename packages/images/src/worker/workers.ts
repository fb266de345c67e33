import { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { cancelled, type ErrorKind, GantryError, systemError } from '@gantry/errors';
import { Feed } from './feed.ts';
import type { FromWorker, ResultOf, Task, TaskKind, ToWorker, WireError } from './tasks.ts';

export type TaskOptions = {
  readonly input?: AsyncIterable<Uint8Array>;
  /** Told how many bytes of the input were used up. */
  readonly onUsed?: (bytes: number) => void;
  readonly signal?: AbortSignal;
};

type Running = {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onUsed: (bytes: number, memory?: ArrayBuffer) => void;
  readonly onChunk: (bytes: Uint8Array) => void;
};

/** A thread and the task that it runs now. */
class Thread {
  readonly #worker: Worker;
  #running: Running | undefined;
  /** False when it broke (out of memory, a bug): it takes no more tasks. */
  alive = true;

  constructor() {
    this.#worker = new Worker(new URL('./unpack-worker.ts', import.meta.url), {
      name: 'gantry-images',
      stdin: false,
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', error => this.#died(error));
    this.#worker.on('exit', code => this.#died(systemError(`the worker thread of the image store ended (${code})`)));
  }

  run(task: Task, onUsed: Running['onUsed'], onChunk: Running['onChunk']): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#running = { resolve, reject, onUsed, onChunk };
      this.#worker.ref();
      this.send({ type: 'task', task });
    });
  }

  send(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'used':
        this.#running?.onUsed(message.bytes, message.memory);
        break;
      case 'chunk':
        this.#running?.onChunk(message.bytes);
        break;
      case 'done':
        this.#settle(running => running.resolve(message.result));
        break;
      case 'failed':
        this.#settle(running => running.reject(revive(message.error)));
        break;
    }
  }

  #died(error: unknown): void {
    this.alive = false;
    this.#settle(running => running.reject(error));
  }

  #settle(how: (running: Running) => void): void {
    const running = this.#running;
    this.#running = undefined;
    this.#worker.unref();
    if (running) how(running);
  }
}

const KINDS: readonly string[] = [
  'notFound',
  'conflict',
  'invalidParameter',
  'unauthorized',
  'forbidden',
  'unavailable',
  'notImplemented',
  'notModified',
  'cancelled',
  'system',
] satisfies ErrorKind[];

const isKind = (kind: string | undefined): kind is ErrorKind => kind !== undefined && KINDS.includes(kind);

function revive({ kind, message, hint, code }: WireError): Error {
  const details = hint === undefined ? {} : { hint };
  if (isKind(kind)) return new GantryError(kind, message, details);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return systemError(`${message}: no space left on device`, {
      hint: 'free some disk space, for example with image prune',
    });
  }
  return systemError(message, details);
}

/** How long an unused thread is kept. */
const IDLE_MS = 10_000;

/** The threads of the image store: started when needed, at most `size`, ended when idle. */
export class Workers implements AsyncDisposable {
  readonly #size: number;
  readonly #idle: { readonly thread: Thread; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Runs a task. @throws what the task throws; cancelled when `signal` was aborted, after the thread has let go */
  async run<K extends TaskKind>(
    task: Extract<Task, { kind: K }>,
    options: TaskOptions = {},
    onChunk: (bytes: Uint8Array, thread: { taken(): void }) => void = () => {},
  ): Promise<ResultOf<K>> {
    await this.#slot(options.signal);
    const thread = this.#take();
    const abort = (): void => thread.send({ type: 'abort' });
    const feed = new Feed((message, transfer) => thread.send(message, transfer), options.onUsed);
    const taken = { taken: () => thread.send({ type: 'taken' }) };
    const running = thread.run(
      task,
      (bytes, memory) => feed.used(bytes, memory),
      bytes => onChunk(bytes, taken),
    );
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted) abort();
    // A broken source must stop the task, a failed task must stop the source; the one that failed first is the reason.
    let sourceError: { readonly error: unknown } | undefined;
    let isOver = false;
    const feeding = options.input === undefined ? Promise.resolve() : feed.from(options.input);
    // Not waited for at the end: a source may be silent for long, and the thread has another task by then.
    feeding.catch((error: unknown) => {
      if (isOver) return;
      sourceError = { error };
      abort();
    });
    try {
      return (await running.finally(() => feed.stop())) as ResultOf<K>;
    } catch (error) {
      if (options.signal?.aborted) throw cancelled('the transfer was cancelled');
      throw sourceError ? sourceError.error : error;
    } finally {
      options.signal?.removeEventListener('abort', abort);
      isOver = true;
      this.#release(thread);
    }
  }

  /** Runs a task whose output is read as a stream; destroying the stream ends the task. */
  stream<K extends TaskKind>(
    task: Extract<Task, { kind: K }>,
    signal: AbortSignal,
    /** `onResult` is called before the stream ends, `onEnded` when the thread has let go of the task, however it ended. */
    on: {
      readonly onUsed?: (bytes: number) => void;
      readonly onResult?: (result: ResultOf<K>) => void;
      readonly onEnded?: () => void;
    } = {},
  ): Readable {
    const ended = new AbortController();
    const chunks: { bytes: Uint8Array; taken: () => void }[] = [];
    let wanted = false;
    let finished = false;
    let closed = false;
    const pump = (): void => {
      while (wanted) {
        const next = chunks.shift();
        if (!next) break;
        next.taken();
        wanted = readable.push(Buffer.from(next.bytes.buffer, next.bytes.byteOffset, next.bytes.byteLength));
      }
      if (!finished || closed || chunks.length > 0) return;
      closed = true;
      readable.push(null);
    };
    const readable = new Readable({
      highWaterMark: 512 * 1024,
      read() {
        wanted = true;
        pump();
      },
      destroy(error, callback) {
        ended.abort();
        callback(error);
      },
    });
    const options = { signal: AbortSignal.any([signal, ended.signal]), ...(on.onUsed ? { onUsed: on.onUsed } : {}) };
    const running = this.run(task, options, (bytes, thread) => {
      chunks.push({ bytes, taken: () => thread.taken() });
      pump();
    });
    running.finally(on.onEnded).then(
      result => {
        on.onResult?.(result);
        finished = true;
        pump();
      },
      error => readable.destroy(error),
    );
    return readable;
  }

  #slot(signal: AbortSignal | undefined): Promise<void> | void {
    if (signal?.aborted) throw cancelled('the transfer was cancelled');
    if (this.#busy < this.#size) {
      this.#busy += 1;
      return;
    }
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #take(): Thread {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      if (idle.thread.alive) return idle.thread;
    }
    return new Thread();
  }

  #release(thread: Thread): void {
    if (thread.alive) this.#keep(thread);
    const next = this.#waiting.shift();
    if (next) next();
    else this.#busy -= 1;
  }

  #keep(thread: Thread): void {
    const timer = setTimeout(() => {
      const at = this.#idle.findIndex(idle => idle.thread === thread);
      if (at >= 0) this.#idle.splice(at, 1);
      void thread.stop();
    }, IDLE_MS);
    timer.unref();
    this.#idle.push({ thread, timer });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const idle = this.#idle.splice(0);
    for (const { timer } of idle) clearTimeout(timer);
    await Promise.all(idle.map(({ thread }) => thread.stop()));
  }
}
