import { Worker } from 'node:worker_threads';

/** Measures trees in a worker, one after the other. */
export async function treeSizes(paths: readonly string[]): Promise<number[]> {
  if (paths.length === 0) return [];
  return new Promise((resolve, reject) => {
    const sizes: number[] = [];
    const worker = new Worker(new URL('./size-worker.ts', import.meta.url), { workerData: [...paths] });
    worker.on('message', (size: number) => sizes.push(size));
    worker.once('error', reject);
    worker.once('exit', code =>
      code === 0 ? resolve(sizes) : reject(new Error(`measuring volumes ended with ${code}`)),
    );
  });
}
