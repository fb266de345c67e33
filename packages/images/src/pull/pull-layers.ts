import { invalidParameter, isGantryError } from '@gantry/errors';
import type { Descriptor, Digest, Manifest } from '@gantry/oci';
import { freeBytes } from '../archive/import.ts';
import type { StoredImage } from '../face.ts';
import type { StagedLayer, WantedLayer } from '../store/layer-store.ts';
import type { UnpackedLayer } from '../worker/tasks.ts';
import { LayerReport } from './layer-report.ts';
import type { Pull } from './pull.ts';

/** A layer that is fetched. */
type Fetch = {
  readonly layer: WantedLayer;
  readonly blob: Descriptor;
  readonly below: WantedLayer | undefined;
  readonly report: LayerReport;
  readonly queuedMs: number;
};

/**
 * Brings the layers of an image that are missing to disk, several at a time: each streams from the network through its
 * digest and decompression into its tree at once. Then `commit` makes the image of them; on failure nothing is left of
 * them but the beginnings of slow downloads (see PartialDownloads).
 */
export async function pullLayers(
  pull: Pull,
  { layers }: Manifest,
  diffIds: readonly Digest[],
  commit: (staged: readonly StagedLayer[]) => Promise<StoredImage>,
): Promise<StoredImage> {
  const { context, progress, signal, trace } = pull;
  const { images, partials, maxConcurrentDownloads } = context;
  const { driver } = images.layers;
  const wanted = images.layers.wanted(diffIds);
  using _ = images.layers.pin(wanted.map(layer => layer.key));
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const staged: StagedLayer[] = [];
  const directories: string[] = [];
  const seen = new Set<string>();
  const queue: Fetch[] = [];
  for (const [i, layer] of wanted.entries()) {
    const blob = layers[i];
    if (!blob) continue;
    const report = new LayerReport(blob.digest, blob.size, progress);
    const isThere = images.database.layer(layer.key) !== undefined;
    report.say(isThere || seen.has(layer.key) ? 'Already exists' : 'Pulling fs layer');
    if (!isThere && !seen.has(layer.key)) {
      queue.push({ layer, blob, below: wanted[i - 1], report, queuedMs: performance.now() });
      trace.part(blob.digest, blob.size);
    }
    seen.add(layer.key);
  }
  const fetched = queue.map(({ blob }) => blob.digest);
  // A whole tree starts as a copy of the layer below, so there one comes after the other.
  const lanes = driver.form === 'whole' ? 1 : Math.max(maxConcurrentDownloads, 1);
  for (const { report } of queue.slice(lanes)) report.say('Waiting');
  const attempt = async (fetch: Fetch): Promise<StagedLayer> => {
    const directory = await driver.incoming();
    directories.push(directory);
    await driver.prepare(directory, fetch.below && images.layers.directoryOf(fetch.below.key, staged));
    return { key: fetch.layer.key, directory, taken: await pullLayer(pull, fetch, directory, either) };
  };
  const run = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { digest, size } = next.blob;
      trace.part(digest, size)('queue', next.queuedMs, performance.now());
      const wasPartial = (await partials.length(next.blob)) > 0;
      try {
        staged.push(await attempt(next));
      } catch (error) {
        if (either.aborted || !isGantryError(error, 'invalidParameter')) throw error;
        await partials.forget(digest);
        // What was kept on disk, or what a mirror sent, was wrong: once more, from elsewhere.
        const isElsewhere = pull.source.distrust();
        if (!wasPartial && !isElsewhere) throw error;
        staged.push(await attempt(next));
      }
    }
  };
  try {
    const results = await Promise.allSettled(
      Array.from({ length: Math.min(lanes, queue.length) }, () =>
        run().catch((error: unknown) => {
          failed.abort();
          throw error;
        }),
      ),
    );
    const errors = results.filter(result => result.status === 'rejected').map(result => result.reason);
    // One lane's failure cancels the others: the reason is the one that is no cancellation.
    const reason = errors.find(error => !isGantryError(error, 'cancelled')) ?? errors[0];
    if (reason !== undefined) throw reason;
    signal.throwIfAborted();
    const startMs = performance.now();
    const image = await commit(staged);
    trace.part('')('commit', startMs, performance.now());
    for (const digest of fetched) await partials.forget(digest);
    return image;
  } finally {
    for (const directory of directories) await images.layers.discardDirectory(directory);
  }
}

async function pullLayer(
  { context: { images, partials }, source, trace }: Pull,
  { layer, blob, report }: Fetch,
  directory: string,
  signal: AbortSignal,
): Promise<UnpackedLayer> {
  const limits = images.layers.limits(await freeBytes(directory));
  const { form } = images.layers.driver;
  const keepBlob = blob.digest !== layer.diffId;
  const task = { kind: 'unpack', directory, form, limits, path: undefined, expect: blob.digest, keepBlob } as const;
  const traced = trace.part(blob.digest, blob.size);
  let isDownloaded = false;
  let used = 0;
  async function* download(): AsyncGenerator<Buffer> {
    let received = 0;
    const onRetry = (seconds: number): void => report.say(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`);
    const rest = (from: number): AsyncIterable<Buffer> => source.blob(blob, { onRetry, from }, signal, traced);
    for await (const part of partials.through(blob, rest)) {
      received += part.length;
      report.bytes('Downloading', received, received === blob.size);
      yield part;
    }
    isDownloaded = true;
    report.say('Verifying Checksum');
    report.say('Download complete');
  }
  const onUsed = (bytes: number): void => {
    used += bytes;
    if (isDownloaded) report.bytes('Extracting', used);
  };
  const taken = await images.layers.workers.run(task, { input: download(), signal, onUsed });
  const nowMs = performance.now();
  for (const [name, ms] of Object.entries(taken.timesMs) as ['decompress' | 'hash' | 'write', number][]) {
    traced(name, nowMs - ms, nowMs);
  }
  if (taken.diffId !== layer.diffId) {
    throw invalidParameter(
      `the layer ${blob.digest} unpacks to ${taken.diffId}, the image configuration says ${layer.diffId}`,
      { hint: `the image at ${source.host} is broken: tell who pushed it` },
    );
  }
  report.bytes('Extracting', blob.size, true);
  report.say('Pull complete');
  return taken;
}
