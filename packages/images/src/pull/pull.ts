import { notFound, systemError } from '@gantry/errors';
import {
  bestPlatform,
  type Descriptor,
  type Digest,
  familiarName,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  type Index,
  layerCompression,
  MAX_CONFIG_BYTES,
  type Manifest,
  type Platform,
  parseImageConfig,
  parseImageDocument,
  parsePlatform,
  parseReference,
  platformScore,
  type Reference,
  withDefaultTag,
  withDigest,
} from '@gantry/oci';
import type { StoredImage, TransferProgress } from '../face.ts';
import type { ManifestRow } from '../store/database.ts';
import { type ImageRepository, platformOf } from '../store/image-repository.ts';
import { readCredentials } from './authorization.ts';
import { findEndpoints, type RegistryOptions } from './endpoints.ts';
import type { PartialDownloads } from './partial-downloads.ts';
import { pullLayers } from './pull-layers.ts';
import { PullSource } from './pull-source.ts';
import type { FetchedManifest } from './registry-client.ts';
import { TraceRecorder } from './trace.ts';

export type PullOptions = {
  readonly platform: string | undefined;
  readonly authorization: unknown;
  /** Its outcome is told by the caller: one of several tags. */
  readonly isOneOfMany?: boolean;
};

export type PullContext = {
  readonly images: ImageRepository;
  readonly registries: RegistryOptions;
  readonly maxConcurrentDownloads: number;
  readonly partials: PartialDownloads;
};

type StoredManifest = ManifestRow & { readonly bytes: Buffer };

/**
 * Pulls one image by tag or digest, from the first endpoint that has it, and says how it goes as dockerd does. The last
 * message is for {@link isTraceMessage}: where the time went, for those who ask.
 */
export async function pullImage(
  context: PullContext,
  text: string,
  options: PullOptions,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<StoredImage> {
  const parsed = parseReference(text);
  // Of a reference with both, the digest counts.
  const reference = parsed.digest === undefined ? withDefaultTag(parsed) : withDigest(parsed, parsed.digest);
  const platform = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  const endpoints = await findEndpoints(reference, context.registries, 'pull');
  const { maxDownloadAttempts: attempts } = context.registries;
  using source = new PullSource(endpoints, reference, readCredentials(options.authorization), {
    ...(attempts === undefined ? {} : { attempts }),
  });
  const trace = new TraceRecorder();
  const image = await pullFrom({ context, source, reference, platform, options, progress, signal, trace });
  progress({ aux: { PullTrace: trace.result(source.host) } });
  return image;
}

/** Tells whether this is the message about a pull's time. */
export function isTraceMessage({ aux }: { readonly aux?: unknown }): boolean {
  return typeof aux === 'object' && aux !== null && 'PullTrace' in aux;
}

/** All tags of a repository, for `--all-tags`. */
export async function listTags(
  registries: RegistryOptions,
  text: string,
  authorization: unknown,
  signal: AbortSignal,
): Promise<string[]> {
  const reference = parseReference(text);
  const endpoints = await findEndpoints(reference, registries, 'pull');
  using source = new PullSource(endpoints, reference, readCredentials(authorization));
  return await source.tags(signal);
}

/** One pull on its way. */
export type Pull = {
  readonly context: PullContext;
  readonly source: PullSource;
  readonly reference: Reference;
  readonly platform: Platform;
  readonly options: PullOptions;
  readonly progress: TransferProgress;
  readonly signal: AbortSignal;
  readonly trace: TraceRecorder;
};

async function pullFrom(pull: Pull): Promise<StoredImage> {
  const { context, source, reference, platform, options, progress, signal, trace } = pull;
  const { images } = context;
  const before = images.platformIds(reference);
  const which = reference.digest ?? reference.tag ?? 'latest';
  const top = (await unchanged(pull, before)) ?? (await source.manifest(which, signal, trace.part('')));
  progress({
    status: `Pulling from ${familiarName(reference).replace(`${reference.domain}/`, '')}`,
    id: shownId(reference),
  });
  const image = 'image' in top ? top.image : await fetchImage(pull, top);
  const { digest } = top;
  progress({ status: `Digest: ${digest}` });
  const name = familiarReference(reference);
  const isNew = !before.includes(image.id);
  if (!options.isOneOfMany) {
    progress({ status: `Status: ${isNew ? 'Downloaded newer image for' : 'Image is up to date for'} ${name}` });
  }
  const { os, architecture, variant } = image.config;
  const own: Platform = { os: os || 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
  if (options.platform !== undefined && platformScore(platform, own) === 0) {
    const [found, wanted] = [formatPlatform(own), formatPlatform(platform)];
    progress({
      status: `WARNING: image with reference ${name} was found but its platform (${found}) does not match the specified platform (${wanted})`,
    });
  }
  return image;
}

const shownId = (reference: Reference): string =>
  reference.digest === undefined ? (reference.tag ?? 'latest') : formatReference(reference);

/** The image that the name has already, when the registry says that its tag still means the same. */
async function unchanged(
  { context: { images }, source, reference, platform, signal, trace }: Pull,
  imageIds: readonly string[],
): Promise<{ image: StoredImage; digest: Digest } | undefined> {
  if (imageIds.length === 0) return undefined;
  const digest = reference.digest ?? (await source.resolve(reference.tag ?? 'latest', signal, trace.part('')));
  if (digest === undefined) return undefined;
  const same = images.platformIds(withDigest(reference, digest)).filter(id => imageIds.includes(id));
  const image = bestPlatform(
    platform,
    same.map(id => images.byId(id)),
    platformOf,
  );
  return image && { image, digest };
}

async function fetchImage(pull: Pull, top: FetchedManifest): Promise<StoredImage> {
  const { context, source, reference, platform, options, signal, trace } = pull;
  const manifests: StoredManifest[] = [];
  const manifest = await findManifest(pull, top, manifests);
  for (const { mediaType, digest } of manifest.layers) {
    if (layerCompression(mediaType) === undefined) {
      throw systemError(`the layer ${digest} has the media type ${mediaType}, which is no file system layer`, {
        hint: 'this reference is an artifact, not a container image',
      });
    }
  }
  const configBytes = await source.document(manifest.config, MAX_CONFIG_BYTES, signal, trace.part(''));
  const config = parseImageConfig(configBytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw systemError("layers from manifest don't match image configuration");
  }
  if (options.platform === undefined && config.os !== '' && config.os !== platform.os) {
    throw systemError(`cannot download image with operating system "${config.os}" when requesting "${platform.os}"`);
  }
  const names = reference.digest === undefined ? [withDigest(reference, top.digest), reference] : [reference];
  return await pullLayers(pull, manifest, config.rootfs.diff_ids, staged =>
    context.images.commit({
      configBytes,
      staged,
      names,
      target: top.digest,
      manifests,
      blobs: blobsOf(reference, manifest, config.rootfs.diff_ids),
    }),
  );
}

function blobsOf(reference: Reference, { layers }: Manifest, diffIds: readonly Digest[]) {
  const repository = `${reference.domain}/${reference.path}`;
  return layers.map(({ digest, mediaType, size }, i) => ({
    diffId: diffIds[i] ?? '',
    digest,
    mediaType,
    sizeBytes: size,
    repository,
  }));
}

const MAX_DEPTH = 4;

/** Goes from what the reference names to the manifest of one platform; what is met on the way is kept with the image. */
async function findManifest(
  { source, platform, reference, signal, trace }: Pull,
  top: FetchedManifest,
  met: StoredManifest[],
): Promise<Manifest> {
  let fetched = top;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const document = parseImageDocument(fetched.bytes, fetched.contentType);
    const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
    met.push({ digest: fetched.digest, mediaType, bytes: fetched.bytes });
    if (document.kind === 'manifest') return document.manifest;
    const { digest } = choose(document.index, platform);
    if (met.some(document => document.digest === digest)) break;
    fetched = await source.manifest(digest, signal, trace.part(''));
  }
  throw systemError('the registry answers with indexes that name each other', {
    hint: `${familiarReference(reference)} at ${source.host} is no image: tell who runs that registry`,
  });
}

function choose({ manifests }: Index, platform: Platform): Descriptor {
  const candidates = manifests.filter(entry => entry.platform !== undefined);
  const found = bestPlatform(platform, candidates, entry => entry.platform);
  const [only] = manifests;
  if (found) return found;
  if (manifests.length === 1 && only && only.platform === undefined) return only;
  throw notFound(`no matching manifest for ${formatPlatform(platform)} in the manifest list entries`, {
    hint: `the image exists for ${platformsOf(candidates)}`,
  });
}

function platformsOf(candidates: readonly Descriptor[]): string {
  const names = candidates
    .map(entry => (entry.platform ? formatPlatform(entry.platform) : ''))
    .filter(name => !name.startsWith('unknown'));
  return [...new Set(names)].join(', ') || 'no platform';
}
