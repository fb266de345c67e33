import { isGantryError, notFound, systemError } from '@gantry/errors';
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
import { endpointsOf, type RegistryOptions, withCertificates } from './endpoints.ts';
import { ConnectionError } from './http.ts';
import { pullLayers } from './pull-layers.ts';
import { type FetchedManifest, RegistryClient } from './registry-client.ts';

export type PullOptions = { readonly platform: string | undefined; readonly authorization: unknown };

export type PullContext = {
  readonly images: ImageRepository;
  readonly registries: RegistryOptions;
  readonly maxConcurrentDownloads: number;
};

type StoredManifest = ManifestRow & { readonly bytes: Buffer };

/** Pulls one image by tag or digest, from the first endpoint that has it, and says how it goes as dockerd does. */
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
  const credentials = readCredentials(options.authorization);
  const endpoints = endpointsOf(reference, context.registries);
  for (const [i, endpoint] of endpoints.entries()) {
    using client = new RegistryClient(await withCertificates(endpoint), reference, credentials);
    try {
      return await pullFrom(context, client, reference, platform, options.platform !== undefined, progress, signal);
    } catch (error) {
      const isLast = i === endpoints.length - 1;
      if (!isLast && !signal.aborted && mayTryNext(error, endpoint.isMirror)) continue;
      if (!(error instanceof ConnectionError)) throw error;
      const hint = `check that the registry ${endpoint.url.host} can be reached from here`;
      throw systemError(`Get "${new URL('v2/', endpoint.url).href}": ${error.message}`, { cause: error, hint });
    }
  }
  throw systemError(`no endpoints found for ${familiarReference(reference)}`);
}

function mayTryNext(error: unknown, isMirror: boolean): boolean {
  return error instanceof ConnectionError || (isMirror && isGantryError(error));
}

async function pullFrom(
  context: PullContext,
  client: RegistryClient,
  reference: Reference,
  platform: Platform,
  isExact: boolean,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<StoredImage> {
  const { images } = context;
  const before = images.platformIds(reference);
  const which = reference.digest ?? reference.tag ?? 'latest';
  const top =
    (await unchanged(images, client, reference, platform, before, signal)) ?? (await client.manifest(which, signal));
  progress({
    status: `Pulling from ${familiarName(reference).replace(`${reference.domain}/`, '')}`,
    id: shownId(reference),
  });
  const image =
    'image' in top ? top.image : await fetchImage(context, client, reference, platform, isExact, top, progress, signal);
  const { digest } = top;
  progress({ status: `Digest: ${digest}` });
  const name = familiarReference(reference);
  const isNew = !before.includes(image.id);
  progress({ status: `Status: ${isNew ? 'Downloaded newer image for' : 'Image is up to date for'} ${name}` });
  const { os, architecture, variant } = image.config;
  const own: Platform = { os: os || 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
  if (isExact && platformScore(platform, own) === 0) {
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
  images: ImageRepository,
  client: RegistryClient,
  reference: Reference,
  platform: Platform,
  imageIds: readonly string[],
  signal: AbortSignal,
): Promise<{ image: StoredImage; digest: Digest } | undefined> {
  if (imageIds.length === 0) return undefined;
  const digest = reference.digest ?? (await client.resolve(reference.tag ?? 'latest', signal));
  if (digest === undefined) return undefined;
  const same = images.platformIds(withDigest(reference, digest)).filter(id => imageIds.includes(id));
  const image = bestPlatform(
    platform,
    same.map(id => images.byId(id)),
    platformOf,
  );
  return image && { image, digest };
}

async function fetchImage(
  context: PullContext,
  client: RegistryClient,
  reference: Reference,
  platform: Platform,
  isExact: boolean,
  top: FetchedManifest,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<StoredImage> {
  const manifests: StoredManifest[] = [];
  const manifest = await findManifest(client, platform, top, manifests, signal);
  for (const { mediaType, digest } of manifest.layers) {
    if (layerCompression(mediaType) === undefined) {
      throw systemError(`the layer ${digest} has the media type ${mediaType}, which is no file system layer`, {
        hint: 'this reference is an artifact, not a container image',
      });
    }
  }
  const configBytes = await client.document(manifest.config, MAX_CONFIG_BYTES, signal);
  const config = parseImageConfig(configBytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw systemError("layers from manifest don't match image configuration");
  }
  if (!isExact && config.os !== '' && config.os !== platform.os) {
    throw systemError(`cannot download image with operating system "${config.os}" when requesting "${platform.os}"`);
  }
  const names = reference.digest === undefined ? [withDigest(reference, top.digest), reference] : [reference];
  return await pullLayers(context, client, manifest, config.rootfs.diff_ids, progress, signal, staged =>
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
  client: RegistryClient,
  platform: Platform,
  top: FetchedManifest,
  met: StoredManifest[],
  signal: AbortSignal,
): Promise<Manifest> {
  let fetched = top;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const document = parseImageDocument(fetched.bytes, fetched.contentType);
    const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
    met.push({ digest: fetched.digest, mediaType, bytes: fetched.bytes });
    if (document.kind === 'manifest') return document.manifest;
    fetched = await client.manifest(choose(document.index, platform).digest, signal);
  }
  throw systemError('the registry answers with indexes that name each other');
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
