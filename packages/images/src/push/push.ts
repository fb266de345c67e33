import { isGantryError, messageOf, notFound, systemError } from '@gantry/errors';
import {
  bestPlatform,
  type Descriptor,
  type Digest,
  digestOf,
  familiarName,
  familiarReference,
  formatPlatform,
  formatReference,
  isIndexType,
  MediaType,
  parseImageDocument,
  parsePlatform,
  parseReference,
  type Reference,
  repositoryOf,
  withDigest,
  withTag,
} from '@gantry/oci';
import type { StoredImage, TransferProgress } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { findEndpoints, type RegistryOptions } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import { LayerReport } from '../pull/layer-report.ts';
import { connectionHint } from '../pull/pull-source.ts';
import type { RegistrySession } from '../pull/registry-session.ts';
import type { BlobRow, ImageLayerRow, NameRow } from '../store/database.ts';
import { type ImageRepository, platformOf } from '../store/image-repository.ts';
import type { LayerCompressor } from '../worker/layer-compressor.ts';
import { openPushSession } from './open-session.ts';
import { PushClient } from './push-client.ts';
import { findLayer, type LayerPush, sendLayer } from './push-layer.ts';
import { knownManifest, type ManifestDocument, writeManifest } from './push-manifest.ts';

export type PushOptions = { readonly platform: string | undefined; readonly authorization: unknown };

export type PushContext = {
  readonly images: ImageRepository;
  readonly registries: RegistryOptions;
  readonly maxConcurrentUploads: number;
  readonly compressor: LayerCompressor;
};

/**
 * Pushes one tag, or all tags of a repository when `text` has none, and says how it goes as dockerd does. What was
 * pulled or pushed before goes under the digest that it had, where its layers can be had as they were.
 */
export async function pushImages(
  context: PushContext,
  text: string,
  options: PushOptions,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<void> {
  const { images } = context;
  const reference = parseReference(text);
  progress({ status: `The push refers to repository [${repositoryOf(reference)}]` });
  if (reference.digest !== undefined) throw systemError('cannot push a digest reference');
  const tags = tagsOf(images, reference);
  const all = tags.flatMap(({ row }) => images.platformsOf(row));
  const layers = all.flatMap(image => images.database.imageLayers(image.id));
  for (const { id } of all) images.noteUsed(id);
  using _ = images.layers.pin(layers.map(layer => layer.key));
  using session = await openSession(context, reference, layers, options.authorization, signal);
  const client = new PushClient(session, reference, signal);
  try {
    for (const { tag, row } of tags) {
      const push: TagPush = { context, client, tag, row, progress, signal };
      if (options.platform !== undefined) await pushImage(push, imageFor(images, row, tag, options.platform));
      else await pushTag(push);
    }
  } catch (error) {
    throw pushError(session.endpoint.url, error);
  }
}

function tagsOf(images: ImageRepository, reference: Reference): { tag: Reference; row: NameRow }[] {
  const prefix = `${repositoryOf(reference)}:`;
  const names = images.database.names().filter(({ name, kind }) => kind === 'tag' && name.startsWith(prefix));
  if (names.length === 0) {
    const name = familiarName(reference);
    throw notFound(`An image does not exist locally with the tag: ${name}`, {
      hint: `tag an image as ${name} first`,
    });
  }
  const wanted = reference.tag === undefined ? undefined : formatReference(reference);
  const chosen = names.filter(({ name }) => wanted === undefined || name === wanted);
  if (chosen.length === 0) throw notFound(`tag does not exist: ${familiarReference(reference)}`);
  return chosen.map(row => ({ tag: withTag(reference, row.name.slice(prefix.length)), row }));
}

/** Opens the first endpoint of the registry that answers. */
async function openSession(
  context: PushContext,
  reference: Reference,
  layers: readonly ImageLayerRow[],
  authorization: unknown,
  signal: AbortSignal,
): Promise<RegistrySession> {
  const own = `${reference.domain}/`;
  const sources = layers
    .flatMap(({ diffId }) => context.images.database.blobsOf(diffId))
    .flatMap(({ repository }) => (repository.startsWith(own) ? [repository.slice(own.length)] : []))
    .filter(path => path !== reference.path);
  const endpoints = await findEndpoints(reference, context.registries, 'push');
  const options = { sources, credentials: readCredentials(authorization), signal };
  return openPushSession(endpoints, reference, options, (session, error) => pushError(session.endpoint.url, error));
}

function pushError(endpoint: URL, error: unknown): unknown {
  if (error instanceof ConnectionError) {
    const hint = connectionHint(error, endpoint.host);
    return systemError(`Get "${endpoint.href}": ${error.message}`, { cause: error, hint });
  }
  // As in a pull: a 401 of the engine is for logging in.
  if (isGantryError(error, 'unauthorized')) return systemError(error.message, { cause: error, hint: error.hint });
  // dockerd says this without the request when it pushes.
  const bare = /: (no basic auth credentials)$/.exec(messageOf(error))?.[1];
  if (bare === undefined || !isGantryError(error)) return error;
  return systemError(bare, { cause: error, hint: `log in to ${endpoint.host} first` });
}

/** One tag that is pushed. */
type TagPush = {
  readonly context: PushContext;
  readonly client: PushClient;
  readonly tag: Reference;
  readonly row: NameRow;
  readonly progress: TransferProgress;
  readonly signal: AbortSignal;
};

function imageFor(images: ImageRepository, row: NameRow, tag: Reference, wanted: string): StoredImage {
  const platform = parsePlatform(wanted);
  const all = images.platformsOf(row);
  const found = bestPlatform(platform, all, platformOf);
  if (found) return found;
  const has = all.map(image => formatPlatform(platformOf(image))).join(', ');
  throw notFound(
    `image with reference ${familiarReference(tag)} was found but its platform (${has}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}

/**
 * Pushes all that is here of a tag. An index goes out as it came when the repository ends up with each of its entries;
 * else, as in dockerd, a single platform goes as its manifest, and several go under a new index.
 */
async function pushTag(push: TagPush): Promise<void> {
  const { context, client, tag, row, progress } = push;
  const { images } = context;
  const index = row.target === undefined ? undefined : knownIndex(images, row);
  if (!index) {
    await pushImage(push, images.byId(row.imageId));
    return;
  }
  const pushed = new Map<string, Descriptor>();
  for (const image of images.platformsOf(row)) {
    const manifest = await pushManifest(push, image, undefined);
    const { mediaType, digest, bytes } = manifest;
    pushed.set(digest, { mediaType, digest, size: bytes.length, platform: platformOf(image) });
  }
  const others = index.manifests.filter(({ digest }) => !pushed.has(digest));
  const isThere = await Promise.all(others.map(({ digest, mediaType }) => client.hasManifest(digest, mediaType)));
  const isWhole = isThere.every(Boolean) && [...pushed.keys()].every(digest => index.has(digest));
  const [single, ...more] = pushed.values();
  if (!isWhole && single && more.length === 0) {
    // The same manifest once more, under the tag.
    await pushImage(push, images.byId(row.imageId));
    const originalIndex = {
      mediaType: index.document.mediaType,
      digest: index.document.digest,
      size: index.document.bytes.length,
    };
    progress({ aux: { manifestPushedInsteadOfIndex: true, originalIndex, selectedManifest: single } });
    return;
  }
  const document = isWhole ? index.document : newIndex([...pushed.values()]);
  await client.putManifest(document, tag.tag ?? 'latest');
  for (const image of images.platformsOf(row)) {
    await images.notePushed(image.id, withDigest(tag, document.digest), document, []);
  }
  sayPushed(push, document);
}

type KnownIndex = {
  readonly document: ManifestDocument;
  readonly manifests: readonly Descriptor[];
  has(digest: string): boolean;
};

/** The index that a name stands for. */
function knownIndex(images: ImageRepository, { target = '', imageId }: NameRow): KnownIndex | undefined {
  const row = images.database.manifestsOf(imageId).find(({ digest }) => digest === target);
  if (!row || !isIndexType(row.mediaType)) return undefined;
  const bytes = images.blobs.read(target);
  const read = parseImageDocument(bytes, row.mediaType);
  if (read.kind !== 'index') return undefined;
  const { manifests, mediaType } = read.index;
  return {
    document: { mediaType, digest: target, bytes },
    manifests,
    has: digest => manifests.some(manifest => manifest.digest === digest),
  };
}

function newIndex(manifests: readonly Descriptor[]): ManifestDocument {
  const isDocker = manifests.every(({ mediaType }) => mediaType === MediaType.dockerManifest);
  const mediaType = isDocker ? MediaType.dockerList : MediaType.ociIndex;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }, undefined, 2));
  return { mediaType, digest: digestOf(bytes), bytes };
}

function sayPushed({ tag, progress }: TagPush, { digest, bytes }: ManifestDocument): void {
  progress({ status: `${tag.tag}: digest: ${digest} size: ${bytes.length}` });
  progress({ progressDetail: {}, aux: { Tag: tag.tag, Digest: digest, Size: bytes.length } });
}

async function pushImage(push: TagPush, image: StoredImage): Promise<void> {
  sayPushed(push, await pushManifest(push, image, push.tag.tag ?? 'latest'));
}

/** Pushes one image, under a tag or, as a part of an index, under its digest alone. */
async function pushManifest(
  { context, client, tag: reference, progress, signal }: TagPush,
  image: StoredImage,
  tag: string | undefined,
): Promise<ManifestDocument> {
  const { images } = context;
  const layers = images.database.imageLayers(image.id);
  const known = knownManifest(images, image.id);
  const descriptors = await pushLayers(context, client, reference, layers, known?.manifest.layers, progress, signal);
  const configDigest: Digest = image.id;
  await client.putBlob(configDigest, image.configBytes);
  const isKnown = known?.manifest.layers.every(({ digest }, i) => digest === descriptors[i]?.digest) ?? false;
  const manifest = known && isKnown ? known : newManifest(image, descriptors);
  await client.putManifest(manifest, tag ?? manifest.digest);
  const repository = repositoryOf(reference);
  const blobs: BlobRow[] = descriptors.map(({ digest, mediaType, size }, i) => ({
    diffId: layers[i]?.diffId ?? '',
    digest,
    mediaType,
    sizeBytes: size,
    repository,
  }));
  const name = tag === undefined ? undefined : withDigest(reference, manifest.digest);
  await images.notePushed(image.id, name, manifest, blobs);
  return manifest;
}

function newManifest(image: StoredImage, layers: readonly Descriptor[]): ManifestDocument {
  const bytes = writeManifest({ digest: image.id, size: image.configBytes.length }, layers);
  const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string };
  return { mediaType, digest: digestOf(bytes), bytes };
}

/** Brings the layers to the repository, several at a time; returns what they are there, bottom first. */
async function pushLayers(
  context: PushContext,
  client: PushClient,
  reference: Reference,
  layers: readonly ImageLayerRow[],
  known: readonly Descriptor[] | undefined,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<Descriptor[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const pushes = new Map<string, LayerPush>();
  // dockerd begins at the top.
  for (const [i, layer] of [...layers.entries()].reverse()) {
    const report = new LayerReport(layer.diffId, layer.sizeBytes, progress);
    report.say('Preparing');
    const wanted = known?.length === layers.length ? known[i] : undefined;
    pushes.set(layer.diffId, { context, client, reference, layer, wanted, report, signal: either });
  }
  const there = new Map<string, Descriptor>();
  const lookUps = [...pushes].map(async ([diffId, push]) => {
    const found = await findLayer(push);
    if (found) there.set(diffId, found);
  });
  await Promise.all(lookUps);
  const queue = [...pushes].filter(([diffId]) => !there.has(diffId));
  const lanes = Math.min(Math.max(context.maxConcurrentUploads, 1), queue.length);
  for (const [, { report }] of queue.slice(lanes)) report.say('Waiting');
  const run = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) there.set(next[0], await sendLayer(next[1]));
  };
  const results = await Promise.allSettled(
    Array.from({ length: lanes }, () =>
      run().catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    ),
  );
  const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []));
  // One lane's failure cancels the others: the reason is the one that is no cancellation.
  const reason = errors.find(error => !isGantryError(error, 'cancelled')) ?? errors[0];
  if (reason !== undefined) throw reason;
  signal.throwIfAborted();
  return layers.flatMap(({ diffId }) => there.get(diffId) ?? []);
}
