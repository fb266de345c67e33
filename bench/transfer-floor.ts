import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createGunzip } from 'node:zlib';
import type { TestImage } from './test-images.ts';

/**
 * What the machine needs for a pull's bytes alone, in milliseconds: each layer read from a file, hashed, inflated, hashed
 * again and written to one file, as many layers side by side as there are lanes in a pull.
 */
export async function machineAlone({ layers }: TestImage): Promise<number> {
  const folder = mkdtempSync('/var/tmp/gantry-bench-floor-');
  try {
    const queue = [...layers].map(({ path }, i) => ({ path, to: join(folder, String(i)) }));
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next; next = queue.shift()) await inWorker(next);
    };
    const startMs = performance.now();
    await Promise.all([lane(), lane(), lane()]);
    return performance.now() - startMs;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The same for a push: each layer read from a file, sent through the loopback, hashed and written at the other end, in a
 * thread for each end.
 */
export async function sendAlone({ layers }: TestImage): Promise<number> {
  const folder = mkdtempSync('/var/tmp/gantry-bench-floor-');
  const receiver = new Worker(new URL(import.meta.url), { workerData: { folder } });
  try {
    const [port] = (await once(receiver, 'message')) as [number];
    const startMs = performance.now();
    const received = once(receiver, 'message');
    await Promise.all(
      layers.map(({ path }) =>
        pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), connect(port, '127.0.0.1')),
      ),
    );
    receiver.postMessage(layers.length);
    await received;
    return performance.now() - startMs;
  } finally {
    await receiver.terminate();
    rmSync(folder, { recursive: true });
  }
}

function receive(folder: string): void {
  let finished = 0;
  let wanted = Number.POSITIVE_INFINITY;
  const report = (): void => {
    if (finished >= wanted) parentPort?.postMessage('done');
  };
  const server = createServer(async socket => {
    const hash = createHash('sha256');
    const file = createWriteStream(join(folder, String(socket.remotePort)), { highWaterMark: 256 * 1024 });
    await pipeline(
      socket,
      async function* (source: AsyncIterable<Buffer>) {
        for await (const bytes of source) {
          hash.update(bytes);
          yield bytes;
        }
      },
      file,
    );
    finished += 1;
    report();
  }).listen(0, '127.0.0.1', () => parentPort?.postMessage((server.address() as AddressInfo).port));
  parentPort?.once('message', (count: number) => {
    wanted = count;
    report();
  });
}

function inWorker(task: { readonly path: string; readonly to: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

if (!isMainThread && 'folder' in workerData) receive(workerData.folder);
else if (!isMainThread) {
  const { path, to } = workerData as { path: string; to: string };
  const [blob, archive] = [createHash('sha256'), createHash('sha256')];
  const chunk = 256 * 1024;
  await pipeline(
    createReadStream(path, { highWaterMark: chunk }),
    async function* (source: AsyncIterable<Buffer>) {
      for await (const bytes of source) {
        blob.update(bytes);
        yield bytes;
      }
    },
    createGunzip({ chunkSize: chunk }),
    async function* (source: AsyncIterable<Buffer>) {
      for await (const bytes of source) {
        archive.update(bytes);
        yield bytes;
      }
    },
    createWriteStream(to, { highWaterMark: chunk }),
  );
  parentPort?.postMessage([blob.digest('hex'), archive.digest('hex')]);
}
