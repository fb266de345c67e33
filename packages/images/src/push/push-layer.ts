import { setTimeout as wait } from 'node:timers/promises';
import { cancelled, isGantryError, systemError } from '@gantry/errors';
import { type Descriptor, type Digest, MediaType, parseReference, type Reference } from '@gantry/oci';
import { findEndpoints } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import type { LayerReport } from '../pull/layer-report.ts';
import { PullSource } from '../pull/pull-source.ts';
import type { ImageLayerRow } from '../store/database.ts';
import type { Workers } from '../worker/workers.ts';
import type { PushContext } from './push.ts';
import type { PushClient } from './push-client.ts';

const ATTEMPTS = 5;
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
 * Brings a layer to the repository: taken over from another repository of the same registry, else the very blob from the
 * registry that it came from, so that its digest stays, else compressed anew.
 */
export async function sendLayer(push: LayerPush): Promise<Descriptor> {
  const { context, client, reference, layer, wanted, report } = push;
  // The blob that keeps the manifest what it is comes first.
  const blobs = context.images.database
    .blobsOf(layer.diffId)
    .sort((a, b) => Number(b.digest === wanted?.digest) - Number(a.digest === wanted?.digest));
  let opened: URL | undefined;
  for (const { digest, mediaType, sizeBytes, repository } of blobs.slice(0, MAX_CANDIDATES)) {
    const from = repository.startsWith(`${reference.domain}/`) ? repository.slice(reference.domain.length + 1) : '';
    if (from === '' || from === reference.path || opened) continue;
    const { mounted, upload } = await client.mount(digest, from);
    opened = upload;
    if (!mounted) continue;
    report.say(`Mounted from ${from}`);
    return { digest, mediaType, size: sizeBytes };
  }
  const sources = blobs.filter(({ digest }) => digest === wanted?.digest);
  if (wanted && sources.length > 0) {
    const copied = await copyLayer(
      push,
      wanted,
      sources.map(({ repository }) => repository),
      opened,
    );
    if (copied) return copied;
    opened = undefined;
  }
  return await compressLayer(push, opened);
}

/** Sends the blob that the layer was pulled as, straight from where it was pulled; undefined when it cannot be had there. */
async function copyLayer(
  { context, client, reference, report, signal }: LayerPush,
  wanted: Descriptor,
  repositories: readonly string[],
  opened: URL | undefined,
): Promise<Descriptor | undefined> {
  for (const repository of repositories) {
    const source = parseReference(repository);
    if (source.domain === reference.domain) continue;
    for (const endpoint of await findEndpoints(source, context.registries, 'pull')) {
      // Who logs in to one registry has not given that to another.
      using from = new PullSource([endpoint], source, {});
      try {
        const isThere = await from.hasBlob(wanted, AbortSignal.any([signal, AbortSignal.timeout(SOURCE_MS)]));
        if (!isThere) continue;
        let sent = 0;
        async function* bytes(): AsyncGenerator<Buffer> {
          for await (const part of from.blob(wanted, { onRetry: () => {} }, signal)) {
            sent += part.length;
            report.bytes('Pushing', sent);
            yield part;
          }
        }
        await client.upload(bytes(), () => wanted.digest, opened);
        report.bytes('Pushing', sent, true);
        report.say('Pushed');
        return wanted;
      } catch (error) {
        if (signal.aborted) throw error;
        // Compressed anew it gets there as well.
        return undefined;
      }
    }
  }
  return undefined;
}

async function compressLayer(
  { context, client, layer, report, signal }: LayerPush,
  opened: URL | undefined,
): Promise<Descriptor> {
  const { driver, workers } = context.images.layers;
  let upload = opened;
  for (let attempt = 1; ; attempt++) {
    const compressed = compress(workers, driver.layerPath(layer.folder), layer.diffId, report, signal);
    try {
      await client.upload(compressed.bytes, () => compressed.result().digest, upload);
      report.say('Pushed');
      const { digest, sizeBytes } = compressed.result();
      return { mediaType: MediaType.dockerLayerGzip, digest, size: sizeBytes };
    } catch (error) {
      if (signal.aborted) throw cancelled('the transfer was cancelled', { cause: error });
      const isTransient = error instanceof ConnectionError || isGantryError(error, 'unavailable');
      if (!isTransient || attempt >= ATTEMPTS) throw error;
      upload = undefined;
      for (let left = attempt * 5; left > 0; left--) {
        report.say(`Retrying in ${left} second${left === 1 ? '' : 's'}`);
        await wait(1000, undefined, { signal }).catch(() => {});
      }
    }
  }
}

/** A layer's bytes from a worker, and, when they are all read, what they are. */
function compress(
  workers: Workers,
  directory: string,
  diffId: string,
  report: LayerReport,
  signal: AbortSignal,
): { readonly bytes: AsyncIterable<Uint8Array>; result(): { digest: Digest; sizeBytes: number } } {
  let result: { digest: Digest; sizeBytes: number } | undefined;
  let used = 0;
  const stream = workers.stream({ kind: 'compress', directory, diffId }, signal, {
    onUsed: bytes => {
      used += bytes;
      report.bytes('Pushing', used);
    },
    onResult: compressed => {
      result = compressed;
      report.bytes('Pushing', used, true);
    },
  });
  return {
    bytes: stream,
    result: () => {
      if (!result) throw systemError(`the layer ${diffId} was not compressed to its end`);
      return result;
    },
  };
}
