import { isGantryError } from '@gantry/errors';
import { type Descriptor, MediaType, parseReference, type Reference } from '@gantry/oci';
import { findEndpoints } from '../pull/endpoints.ts';
import type { LayerReport } from '../pull/layer-report.ts';
import { PullSource } from '../pull/pull-source.ts';
import type { BlobRow, ImageLayerRow } from '../store/database.ts';
import { archiveBlob, type BlobSource, compressedBlob, keptBlob, registryBlob } from './blob-source.ts';
import type { PushContext } from './push.ts';
import type { PushClient, Upload } from './push-client.ts';
import { uploadBlob } from './upload-blob.ts';

/** Blobs of one layer that are looked for; more than one is rare. */
const MAX_CANDIDATES = 4;
/** How long the registry that a layer came from may take to answer before its layer is compressed here instead. */
const SOURCE_MS = 5000;

export type LayerPush = {
  readonly context: PushContext;
  readonly client: PushClient;
  readonly reference: Reference;
  readonly layer: ImageLayerRow;
  /** What the image's known manifest names it. */
  readonly wanted: Descriptor | undefined;
  readonly report: LayerReport;
  readonly signal: AbortSignal;
};

/** Finds a blob of the layer that the repository has already. */
export async function findLayer({
  context,
  client,
  layer,
  wanted,
  report,
}: LayerPush): Promise<Descriptor | undefined> {
  const known = context.images.database
    .blobsOf(layer.diffId)
    .map(({ digest, mediaType, sizeBytes }) => ({ digest, mediaType, size: sizeBytes }));
  const candidates = [...(wanted ? [wanted] : []), ...known];
  const distinct = candidates.filter(({ digest }, i) => candidates.findIndex(other => other.digest === digest) === i);
  for (const candidate of distinct.slice(0, MAX_CANDIDATES)) {
    if (!(await client.hasBlob(candidate.digest))) continue;
    report.say('Layer already exists');
    return candidate;
  }
  return undefined;
}

/**
 * Brings a layer to the repository. What keeps the digest that it was pulled under comes first: taken over from another
 * repository of the same registry, from the blob beside its tree, rebuilt where it was not compressed, passed on from
 * the registry that it came from; else it is compressed anew.
 */
export async function sendLayer(push: LayerPush): Promise<Descriptor> {
  const { context, client, reference, layer, wanted, report } = push;
  // The blob that keeps the manifest what it is comes first.
  const blobs = context.images.database
    .blobsOf(layer.diffId)
    .sort((a, b) => Number(b.digest === wanted?.digest) - Number(a.digest === wanted?.digest));
  let opened: Upload | undefined;
  for (const { digest, mediaType, sizeBytes, repository } of blobs.slice(0, MAX_CANDIDATES)) {
    const from = repository.startsWith(`${reference.domain}/`) ? repository.slice(reference.domain.length + 1) : '';
    if (from === '' || from === reference.path || opened) continue;
    const { mounted, upload } = await client.mount(digest, from);
    opened = upload;
    if (!mounted) continue;
    report.say(`Mounted from ${from}`);
    return { digest, mediaType, size: sizeBytes };
  }
  if (wanted) {
    const sent = (await sendOwn(push, wanted, opened)) ?? (await copyLayer(push, wanted, blobs));
    if (sent) return sent;
  } else {
    const kept = blobs.find(({ digest }) => digest === layer.keptBlob);
    const own = kept && { digest: kept.digest, mediaType: kept.mediaType, size: kept.sizeBytes };
    const sent = own && (await sendOwn(push, own, opened));
    if (sent) return sent;
  }
  return await compressLayer(push, opened);
}

/** Sends a blob that can be had from this store bit for bit; undefined when it cannot, or is not what it was. */
async function sendOwn(
  push: LayerPush,
  wanted: Descriptor,
  opened: Upload | undefined,
): Promise<Descriptor | undefined> {
  const { context, layer, signal } = push;
  const { driver, workers } = context.images.layers;
  const directory = driver.layerPath(layer.folder);
  let blob: BlobSource | undefined;
  if (wanted.digest === layer.keptBlob) {
    blob = keptBlob(workers, directory, wanted, signal);
  } else if (wanted.digest === layer.diffId) {
    blob = archiveBlob(workers, directory, wanted, signal);
  }
  if (!blob) return undefined;
  try {
    return await sendKnown(push, wanted, blob, opened);
  } catch (error) {
    // A file that was damaged is refused by the registry, one that is gone cannot be read: there are other ways.
    const isRefused = isGantryError(error) && /^(digest|size) invalid/.test(error.message);
    const isDamaged = isRefused || isGantryError(error, 'notFound');
    if (signal.aborted || !isDamaged) throw error;
    return undefined;
  }
}

/** Sends the blob that the layer was pulled as, straight from where it was pulled; undefined when it cannot be had there. */
async function copyLayer(
  push: LayerPush,
  wanted: Descriptor,
  blobs: readonly BlobRow[],
): Promise<Descriptor | undefined> {
  const { context, reference, signal } = push;
  for (const { digest, repository } of blobs) {
    const source = parseReference(repository);
    if (digest !== wanted.digest || source.domain === reference.domain) continue;
    for (const endpoint of await findEndpoints(source, context.registries, 'pull')) {
      // Who logs in to one registry has not given that to another.
      using from = new PullSource([endpoint], source, {});
      try {
        const isThere = await from.hasBlob(wanted, AbortSignal.any([signal, AbortSignal.timeout(SOURCE_MS)]));
        if (!isThere) continue;
        return await sendKnown(push, wanted, registryBlob(from, wanted, signal), undefined);
      } catch (error) {
        if (signal.aborted) throw error;
        // Compressed anew it gets there as well.
        return undefined;
      }
    }
  }
  return undefined;
}

async function sendKnown(
  push: LayerPush,
  wanted: Descriptor,
  blob: BlobSource,
  opened: Upload | undefined,
): Promise<Descriptor> {
  const { client, report, signal } = push;
  const onSent = (bytes: number): void => report.bytes('Pushing', bytes, false, wanted.size);
  await uploadBlob(client, blob, opened, { onSent, onRetry: retryIn(push) }, signal);
  report.bytes('Pushing', wanted.size, true, wanted.size);
  report.say('Pushed');
  return wanted;
}

const retryIn =
  ({ report }: LayerPush) =>
  (seconds: number): void =>
    report.say(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`);

async function compressLayer(push: LayerPush, opened: Upload | undefined): Promise<Descriptor> {
  const { context, client, layer, report, signal } = push;
  const { driver } = context.images.layers;
  let used = 0;
  const onUsed = (bytes: number): void => {
    used += bytes;
    report.bytes('Pushing', used);
  };
  const onStart = (): void => {
    used = 0;
  };
  const directory = driver.layerPath(layer.folder);
  const blob = compressedBlob(context.compressor, directory, layer.diffId, { onStart, onUsed }, signal);
  await uploadBlob(client, blob, opened, { onRetry: retryIn(push) }, signal);
  report.bytes('Pushing', used, true);
  report.say('Pushed');
  const { digest, sizeBytes } = blob.result();
  return { mediaType: MediaType.dockerLayerGzip, digest, size: sizeBytes };
}
