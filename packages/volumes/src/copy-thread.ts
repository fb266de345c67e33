import { Worker } from 'node:worker_threads';
import type { CopyTask } from './copy-tree.ts';

/** A thread that has nothing to do is kept this long: starting one takes longer than filling a small volume. */
const IDLE_MS = 20_000;

type Idle = { readonly worker: Worker; readonly timer: NodeJS.Timeout; readonly forget: () => void };
const idle: Idle[] = [];

/**
 * Copies a tree beside the event loop. Descriptors belong to the whole process, so the thread uses those of its parent.
 * @throws Error with what failed, on which file
 */
export function copyBeside(task: CopyTask): Promise<void> {
  const worker = take();
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      // One by one: the thread has listeners of its own.
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      if (error) reject(error);
      else resolve();
    };
    const onMessage = ({ reason }: { readonly reason?: string }): void => {
      settle(reason === undefined ? undefined : new Error(reason));
      keep(worker);
    };
    const onError = (error: unknown): void => settle(error instanceof Error ? error : new Error(String(error)));
    const onExit = (code: number): void => settle(new Error(`the copying thread ended with ${code}`));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.ref();
    worker.postMessage(task);
  });
}

function take(): Worker {
  const kept = idle.pop();
  if (!kept) return new Worker(new URL('./copy-worker.ts', import.meta.url), { trackUnmanagedFds: false });
  clearTimeout(kept.timer);
  kept.worker.off('exit', kept.forget);
  return kept.worker;
}

function keep(worker: Worker): void {
  const forget = (): void => {
    const at = idle.findIndex(other => other.worker === worker);
    if (at >= 0) clearTimeout(idle.splice(at, 1)[0]?.timer);
  };
  const timer = setTimeout(() => {
    forget();
    void worker.terminate();
  }, IDLE_MS);
  timer.unref();
  worker.unref();
  worker.once('exit', forget);
  idle.push({ worker, timer, forget });
}
