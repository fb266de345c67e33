import { invalidParameter } from '@gantry/errors';
import { type Digest, isDigest } from './digest.ts';
import { isIndexType, isManifestType, MediaType } from './media-types.ts';
import type { Platform } from './platform.ts';

/** No manifest or index may be larger (dockerd's own bound). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** No image configuration may be larger. */
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
/** No image may have more layers; overlayfs itself ends at 500. */
export const MAX_LAYERS = 500;
const MAX_INDEX_ENTRIES = 10_000;

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  /** What a manifest that is no image holds. */
  readonly artifactType?: string;
};

export type Manifest = {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
};

export type Index = {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
};

export type ImageDocument =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly index: Index };

/** What of an image configuration must have its shape for the image to be stored at all. */
export type ConfigCore = {
  readonly architecture: string;
  readonly os: string;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] };
};

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads a manifest or an index and checks its shape.
 * @param contentType the Content-Type that it came with; the document's own mediaType must not contradict it
 * @throws invalidParameter naming the field that is wrong
 * @see OCI image-spec manifest.md, image-index.md; Docker's manifest v2 schema 2
 */
export function parseImageDocument(bytes: Uint8Array, contentType?: string): ImageDocument {
  const json = parseJson(bytes, MAX_MANIFEST_BYTES, 'manifest');
  if (json.schemaVersion === 1) {
    throw invalidParameter('Docker image manifest version 2, schema 1 is not supported any more', {
      hint: 'push the image again with a current tool, which writes schema 2 or OCI manifests',
    });
  }
  if (json.schemaVersion !== 2) throw invalidParameter(`manifest: unknown schemaVersion ${String(json.schemaVersion)}`);
  const own = typeof json.mediaType === 'string' && json.mediaType !== '' ? json.mediaType : undefined;
  const outer = contentType?.split(';')[0]?.trim();
  const given = outer !== undefined && (isIndexType(outer) || isManifestType(outer)) ? outer : undefined;
  if (own !== undefined && given !== undefined && own !== given) {
    throw invalidParameter(`manifest: mediaType ${own} in the document differs from Content-Type ${given}`);
  }
  // One document must not be readable as both kinds (CVE-2021-41190).
  if (json.manifests !== undefined && (json.layers !== undefined || json.config !== undefined)) {
    throw invalidParameter('manifest: both "manifests" and "layers" or "config" are present');
  }
  const mediaType = own ?? given ?? (json.manifests === undefined ? MediaType.ociManifest : MediaType.ociIndex);
  if (isIndexType(mediaType)) return { kind: 'index', index: readIndex(json, mediaType) };
  if (isManifestType(mediaType)) return { kind: 'manifest', manifest: readManifest(json, mediaType) };
  throw invalidParameter(`unsupported manifest media type: ${mediaType}`);
}

function readIndex(json: Json, mediaType: string): Index {
  const manifests = readList(json.manifests, 'manifests', MAX_INDEX_ENTRIES);
  return {
    mediaType,
    manifests: manifests.map((entry, i) => readDescriptor(entry, `manifests[${i}]`)),
    ...annotations(json),
  };
}

function readManifest(json: Json, mediaType: string): Manifest {
  const layers = readList(json.layers, 'layers', MAX_LAYERS);
  return {
    mediaType,
    config: readDescriptor(json.config, 'config'),
    layers: layers.map((entry, i) => readDescriptor(entry, `layers[${i}]`)),
    ...annotations(json),
  };
}

function readDescriptor(value: unknown, where: string): Descriptor {
  if (!isObject(value)) throw invalidParameter(`manifest: ${where} is not a descriptor`);
  const { mediaType, digest, size, urls, platform, artifactType } = value;
  if (typeof mediaType !== 'string') throw invalidParameter(`manifest: ${where} has no mediaType`);
  if (!isDigest(digest)) throw invalidParameter(`manifest: ${where} has an invalid digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalidParameter(`manifest: ${where} has an invalid size`);
  }
  return {
    mediaType,
    digest,
    size,
    ...(Array.isArray(urls) ? { urls: urls.filter(url => typeof url === 'string') } : {}),
    ...annotations(value),
    ...readPlatform(platform),
    ...(typeof artifactType === 'string' ? { artifactType } : {}),
  };
}

function readPlatform(value: unknown): { platform?: Platform } {
  if (!isObject(value) || typeof value.os !== 'string' || typeof value.architecture !== 'string') return {};
  const variant = typeof value.variant === 'string' && value.variant !== '' ? { variant: value.variant } : {};
  const version = typeof value['os.version'] === 'string' ? { 'os.version': value['os.version'] } : {};
  return { platform: { os: value.os, architecture: value.architecture, ...variant, ...version } };
}

function annotations(json: Json): { annotations?: Record<string, string> } {
  if (!isObject(json.annotations)) return {};
  const entries = Object.entries(json.annotations).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return { annotations: Object.fromEntries(entries) };
}

/**
 * Reads an image configuration and checks what everything else relies on; unknown fields are kept.
 * @throws invalidParameter naming the field that is wrong
 * @see OCI image-spec config.md
 */
export function parseImageConfig(bytes: Uint8Array): ConfigCore & Json {
  const json = parseJson(bytes, MAX_CONFIG_BYTES, 'image config');
  const { rootfs } = json;
  if (!isObject(rootfs) || (rootfs.type !== undefined && rootfs.type !== 'layers')) {
    throw invalidParameter('invalid image JSON, no RootFS key');
  }
  const diffIds = readList(rootfs.diff_ids ?? [], 'rootfs.diff_ids', MAX_LAYERS);
  if (!diffIds.every(isDigest)) throw invalidParameter('image config: rootfs.diff_ids has an invalid digest');
  for (const key of ['config', 'history'] as const) {
    const value = json[key];
    if (value === undefined || value === null) continue;
    if (key === 'config' ? !isObject(value) : !Array.isArray(value) || !value.every(isObject)) {
      throw invalidParameter(`image config: ${key} has the wrong type`);
    }
  }
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    ...json,
    architecture: text(json.architecture),
    os: text(json.os),
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
}

/** Parses one bounded JSON object. @throws invalidParameter naming `what` */
export function parseJson(bytes: Uint8Array, maxBytes: number, what: string): Json {
  if (bytes.byteLength > maxBytes) {
    throw invalidParameter(`${what}: ${bytes.byteLength} bytes are more than the allowed ${maxBytes}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalidParameter(`${what}: not a JSON document`, { cause });
  }
  if (!isObject(json)) throw invalidParameter(`${what}: not a JSON object`);
  return json;
}

function readList(value: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidParameter(`manifest: ${what} is not a list`);
  if (value.length > max)
    throw invalidParameter(`manifest: ${what} has ${value.length} entries, at most ${max} are allowed`);
  return value;
}
