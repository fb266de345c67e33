import { isGantryError, messageOf, notFound, systemError } from '@gantry/errors';
import {
  type Descriptor,
  type Digest,
  digestOf,
  familiarName,
  familiarReference,
  formatPlatform,
  formatReference,
  parsePlatform,
  parseReference,
  platformScore,
  type Reference,
  repositoryOf,
  withDigest,
  withTag,
} from '@gantry/oci';
import type { StoredImage, TransferProgress } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { endpointsOf, type RegistryOptions, withCertificates } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import { LayerReport } from '../pull/layer-report.ts';
import { RegistrySession } from '../pull/registry-session.ts';
import type { BlobRow, ImageLayerRow } from '../store/database.ts';
import type { ImageRepository } from '../store/image-repository.ts';
import { PushClient } from './push-client.ts';
import { findLayer, type LayerPush, sendLayer } from './push-layer.ts';
import { knownManifest, type ManifestDocument, writeManifest } from './push-manifest.ts';

export type PushOptions = { readonly platform: string | undefined; readonly authorization: unknown };

export type PushContext = {
  readonly images: ImageRepository;
  readonly registries: RegistryOptions;
  readonly maxConcurrentUploads: number;
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
  const layers = tags.flatMap(({ image }) => images.database.imageLayers(image.id));
  using _ = images.layers.pin(layers.map(layer => layer.key));
  using session = await openSession(context, reference, layers, options.authorization, signal);
  const client = new PushClient(session, reference, signal);
  try {
    for (const { tag, image } of tags) {
      checkPlatform(image, tag, options.platform);
      await pushTag(context, client, tag, image, progress, signal);
    }
  } catch (error) {
    throw pushError(session.endpoint.url, error);
  }
}

function tagsOf(images: ImageRepository, reference: Reference): { tag: Reference; image: StoredImage }[] {
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
  return chosen.map(({ name, imageId }) => ({
    tag: withTag(reference, name.slice(prefix.length)),
    image: images.byId(imageId),
  }));
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
  // A mount needs the right to read where it comes from.
  const scopes = [
    `repository:${reference.path}:pull,push`,
    ...[...new Set(sources)].map(path => `repository:${path}:pull`),
  ];
  const endpoints = endpointsOf(reference, { ...context.registries, mirrors: [] });
  for (const [i, endpoint] of endpoints.entries()) {
    const session = new RegistrySession(await withCertificates(endpoint), readCredentials(authorization), scopes);
    try {
      await new PushClient(session, reference, signal).ping();
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      if (error instanceof ConnectionError && i < endpoints.length - 1 && !signal.aborted) continue;
      throw pushError(endpoint.url, error);
    }
  }
  throw systemError(`no endpoints found for ${familiarReference(reference)}`);
}

function pushError(endpoint: URL, error: unknown): unknown {
  if (error instanceof ConnectionError) {
    const hint = `check that the registry ${endpoint.host} can be reached from here`;
    return systemError(`Get "${new URL('v2/', endpoint).href}": ${error.message}`, { cause: error, hint });
  }
  // dockerd says this without the request when it pushes.
  const bare = /: (no basic auth credentials)$/.exec(messageOf(error))?.[1];
  if (bare === undefined || !isGantryError(error)) return error;
  return systemError(bare, { cause: error, hint: `log in to ${endpoint.host} first` });
}

function checkPlatform(image: StoredImage, tag: Reference, wanted: string | undefined): void {
  if (wanted === undefined) return;
  const { os, architecture, variant } = image.config;
  const own = { os: os || 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
  const platform = parsePlatform(wanted);
  if (platformScore(platform, own) > 0) return;
  throw notFound(
    `image with reference ${familiarReference(tag)} was found but its platform (${formatPlatform(own)}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}

async function pushTag(
  context: PushContext,
  client: PushClient,
  reference: Reference,
  image: StoredImage,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<void> {
  const { images } = context;
  const layers = images.database.imageLayers(image.id);
  const known = knownManifest(images, image.id);
  const descriptors = await pushLayers(context, client, reference, layers, known?.manifest.layers, progress, signal);
  const configDigest: Digest = image.id;
  await client.putBlob(configDigest, image.configBytes);
  const isKnown = known?.manifest.layers.every(({ digest }, i) => digest === descriptors[i]?.digest) ?? false;
  const manifest = known && isKnown ? known : newManifest(image, descriptors);
  await client.putManifest(manifest, reference.tag ?? 'latest');
  const repository = repositoryOf(reference);
  const blobs: BlobRow[] = descriptors.map(({ digest, mediaType, size }, i) => ({
    diffId: layers[i]?.diffId ?? '',
    digest,
    mediaType,
    sizeBytes: size,
    repository,
  }));
  await images.notePushed(image.id, withDigest(reference, manifest.digest), manifest, blobs);
  const { digest, bytes } = manifest;
  progress({ status: `${reference.tag}: digest: ${digest} size: ${bytes.length}` });
  progress({ progressDetail: {}, aux: { Tag: reference.tag, Digest: digest, Size: bytes.length } });
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
