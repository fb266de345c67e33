import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { invalidParameter } from '@gantry/errors';
import { hashFor } from '@gantry/oci';
import { BlobCopy } from '../unpack/blob-copy.ts';
import { LayerIntake } from '../unpack/layer-intake.ts';
import { decompress } from './decompress.ts';
import type { TaskInput } from './input.ts';
import type { Task, UnpackedLayer } from './tasks.ts';

/** Unpacks one layer, hashing what comes in and what comes out of decompression. */
export async function unpackTask(task: Extract<Task, { kind: 'unpack' }>, input: TaskInput): Promise<UnpackedLayer> {
  const { expect } = task;
  using copy = task.keepBlob ? new BlobCopy(task.directory) : undefined;
  const hash = expect === undefined ? createHash('sha256') : hashFor(expect);
  let blobBytes = 0;
  let hashMs = 0;
  let busyMs = 0;
  let intakeMs = 0;
  async function* hashed(): AsyncGenerator<Buffer> {
    const source = task.path === undefined ? input.read() : createReadStream(task.path, { highWaterMark: 256 * 1024 });
    for await (const chunk of source) {
      input.check();
      const fromMs = performance.now();
      hash.update(chunk);
      blobBytes += chunk.length;
      const hashedMs = performance.now();
      hashMs += hashedMs - fromMs;
      copy?.append(chunk);
      yield chunk;
      busyMs += performance.now() - hashedMs;
    }
  }
  using intake = new LayerIntake(task.directory, task.form, task.limits);
  await decompress(hashed(), bytes => {
    const fromMs = performance.now();
    intake.push(bytes);
    intakeMs += performance.now() - fromMs;
  });
  const blobDigest = `${expect?.split(':')[0] ?? 'sha256'}:${hash.digest('hex')}`;
  if (expect !== undefined && expect !== blobDigest) {
    throw invalidParameter(`filesystem layer verification failed for digest ${expect}`, {
      hint: `what came has the digest ${blobDigest}`,
    });
  }
  const timesMs = {
    decompress: Math.max(busyMs - intakeMs, 0),
    hash: hashMs + intake.hashMs,
    write: intakeMs - intake.hashMs,
  };
  const keptBlob = copy ? blobDigest : undefined;
  return { ...intake.finish(), blobDigest, blobBytes, keptBlob, timesMs };
}
