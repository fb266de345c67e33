import { invalidParameter, isGantryError } from '@gantry/errors';
import type { Descriptor, Digest, Manifest } from '@gantry/oci';
import { freeBytes } from '../archive/import.ts';
import type { StoredImage, TransferProgress } from '../face.ts';
import type { StagedLayer, WantedLayer } from '../store/layer-store.ts';
import { LayerReport } from './layer-report.ts';
import type { PullContext } from './pull.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * Brings the layers of an image that are missing to disk, several at a time: each streams from the network through its
 * digest and decompression into its tree at once. Then `commit` makes the image of them; on failure nothing is left.
 */
export async function pullLayers(
  { images, maxConcurrentDownloads }: PullContext,
  client: RegistryClient,
  { layers }: Manifest,
  diffIds: readonly Digest[],
  progress: TransferProgress,
  signal: AbortSignal,
  commit: (staged: readonly StagedLayer[]) => Promise<StoredImage>,
): Promise<StoredImage> {
  const { driver } = images.layers;
  const wanted = images.layers.wanted(diffIds);
  using _ = images.layers.pin(wanted.map(layer => layer.key));
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const staged: StagedLayer[] = [];
  const directories: string[] = [];
  const seen = new Set<string>();
  const queue: { layer: WantedLayer; blob: Descriptor; below: WantedLayer | undefined; report: LayerReport }[] = [];
  for (const [i, layer] of wanted.entries()) {
    const blob = layers[i];
    if (!blob) continue;
    const report = new LayerReport(blob.digest, blob.size, progress);
    const isThere = images.database.layer(layer.key) !== undefined;
    report.say(isThere || seen.has(layer.key) ? 'Already exists' : 'Pulling fs layer');
    if (!isThere && !seen.has(layer.key)) queue.push({ layer, blob, below: wanted[i - 1], report });
    seen.add(layer.key);
  }
  // A whole tree starts as a copy of the layer below, so there one comes after the other.
  const lanes = driver.form === 'whole' ? 1 : Math.max(maxConcurrentDownloads, 1);
  for (const { report } of queue.slice(lanes)) report.say('Waiting');
  const run = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { layer, blob, below, report } = next;
      const directory = await driver.incoming();
      directories.push(directory);
      await driver.prepare(directory, below && images.layers.directoryOf(below.key, staged));
      staged.push(await pullLayer(layer, blob, directory, report));
    }
  };
  const pullLayer = async (
    layer: WantedLayer,
    blob: Descriptor,
    directory: string,
    report: LayerReport,
  ): Promise<StagedLayer> => {
    const limits = images.layers.limits(await freeBytes(directory));
    const task = {
      kind: 'unpack',
      directory,
      form: driver.form,
      limits,
      path: undefined,
      expect: blob.digest,
    } as const;
    let isDownloaded = false;
    let used = 0;
    async function* download(): AsyncGenerator<Buffer> {
      let received = 0;
      const onRetry = (seconds: number): void => report.say(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`);
      for await (const part of client.blob(blob, { onRetry }, either)) {
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
    const taken = await images.layers.workers.run(task, { input: download(), signal: either, onUsed });
    if (taken.diffId !== layer.diffId) {
      throw invalidParameter(
        `the layer ${blob.digest} unpacks to ${taken.diffId}, the image configuration says ${layer.diffId}`,
      );
    }
    report.bytes('Extracting', blob.size, true);
    report.say('Pull complete');
    return { key: layer.key, directory, taken };
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
    return await commit(staged);
  } finally {
    for (const directory of directories) await images.layers.discardDirectory(directory);
  }
}
