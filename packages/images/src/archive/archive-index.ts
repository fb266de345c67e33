import { invalidParameter } from '@gantry/errors';
import {
  bestPlatform,
  type Descriptor,
  formatPlatform,
  type Index,
  isIndexType,
  isManifestType,
  MAX_CONFIG_BYTES,
  type Platform,
  parseImageConfig,
  parseImageDocument,
  parseJson,
  parseReference,
  platformScore,
  type Reference,
  withDefaultTag,
} from '@gantry/oci';
import type { ArchiveContents, ArchiveMember } from '../worker/tasks.ts';

/** An image in an archive: where its configuration and layers are, and what it is to be called. */
export type ArchivedImage = {
  readonly config: ArchiveMember;
  /** Bottom first. */
  readonly layers: readonly ArchiveMember[];
  readonly names: readonly Reference[];
  /** What the names stand for: an index, or the manifest; undefined in Docker's format. */
  readonly target: string | undefined;
  /** The OCI or Docker manifest, and the indexes above it, when the archive has them. */
  readonly manifests: readonly ArchivedDocument[];
};

type ArchivedDocument = { readonly digest: string; readonly mediaType: string; readonly bytes: Uint8Array };

const MAX_IMAGES = 1000;
const MAX_DEPTH = 4;

/**
 * Reads what images an archive holds: Docker's manifest.json when it is there, else the OCI layout's index.json, which
 * goes first when it has indexes, since Docker's format knows one platform only.
 * @param platforms only images of these; all that the archive has when it is empty
 */
export function readArchiveIndex(contents: ArchiveContents, platforms: readonly Platform[] = []): ArchivedImage[] {
  const isLayout = find(contents, 'index.json') !== undefined && find(contents, 'oci-layout') !== undefined;
  if (isLayout && (hasIndexes(contents) || !find(contents, 'manifest.json'))) return readLayout(contents, platforms);
  if (find(contents, 'manifest.json')) {
    const images = readDockerManifest(contents);
    return images.length === 0 ? [] : fitting(images, platforms);
  }
  if (find(contents, 'index.json')) return readLayout(contents, platforms);
  if (find(contents, 'repositories')) {
    throw invalidParameter('the archive has the layout of docker save before version 1.10, which is not supported', {
      hint: 'load it with an old Docker and save it again',
    });
  }
  throw invalidParameter('invalid archive: does not contain a manifest.json', {
    hint: 'a root file system is imported with import; load takes what save has written',
  });
}

function find(contents: ArchiveContents, name: string): ArchiveMember | undefined {
  let at = name;
  for (let step = 0; step < 16; step++) {
    const member = contents.members.get(at);
    if (member) return member;
    const target = contents.links.get(at);
    if (target === undefined) return undefined;
    at = target;
  }
  return undefined;
}

function must(contents: ArchiveContents, name: string): ArchiveMember {
  const member = find(contents, name);
  if (!member) throw invalidParameter(`invalid archive: ${name} is missing`);
  return member;
}

function document(contents: ArchiveContents, name: string): Buffer {
  const member = must(contents, name);
  if (member.kind !== 'document') throw invalidParameter(`invalid archive: ${name} is no JSON document`);
  return Buffer.from(member.bytes);
}

function readDockerManifest(contents: ArchiveContents): ArchivedImage[] {
  const bytes = document(contents, 'manifest.json');
  // The file is a list; the reader of objects takes it wrapped.
  const { list } = parseJson(
    Buffer.concat([Buffer.from('{"list":'), bytes, Buffer.from('}')]),
    MAX_CONFIG_BYTES,
    'manifest.json',
  );
  if (!Array.isArray(list) || list.length > MAX_IMAGES) throw invalidParameter('manifest.json: not a list of images');
  return list.map((item: unknown) => {
    if (typeof item !== 'object' || item === null) throw invalidParameter('manifest.json: not a list of images');
    const { Config: config, RepoTags: tags, Layers: layers } = item as Record<string, unknown>;
    const names = Array.isArray(tags) ? tags : [];
    const paths = Array.isArray(layers) ? layers : [];
    if (typeof config !== 'string' || !paths.every(isText) || !names.every(isText)) {
      throw invalidParameter('manifest.json: an image lacks its Config, or Layers and RepoTags have the wrong type');
    }
    return {
      config: must(contents, clean(config)),
      layers: paths.map(path => must(contents, clean(path))),
      names: names.map(name => withDefaultTag(parseReference(name))),
      target: undefined,
      manifests: [],
    };
  });
}

const isText = (value: unknown): value is string => typeof value === 'string';

const clean = (path: string): string =>
  path
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/');

const blobName = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

function topIndex(contents: ArchiveContents): Index {
  const top = parseImageDocument(document(contents, 'index.json'));
  if (top.kind !== 'index') throw invalidParameter('index.json is no index');
  return top.index;
}

/** Whether an image of the layout is an index whose document is there. */
function hasIndexes(contents: ArchiveContents): boolean {
  return topIndex(contents).manifests.some(
    ({ mediaType, digest }) => isIndexType(mediaType) && find(contents, blobName(digest))?.kind === 'document',
  );
}

function readLayout(contents: ArchiveContents, platforms: readonly Platform[]): ArchivedImage[] {
  parseJson(document(contents, 'oci-layout'), MAX_CONFIG_BYTES, 'oci-layout');
  const images = new Map<string, { images: ArchivedImage[]; names: Reference[] }>();
  for (const descriptor of topIndex(contents).manifests.slice(0, MAX_IMAGES)) {
    const known = images.get(descriptor.digest) ?? { images: resolve(contents, descriptor, [], 0), names: [] };
    known.names.push(...namesOf(descriptor));
    images.set(descriptor.digest, known);
  }
  const found = [...images.values()].flatMap(group =>
    chosen(group.images, platforms).map(image => ({ ...image, names: group.names })),
  );
  return fitting(found, platforms);
}

/** @throws invalidParameter when none is left */
function fitting(images: ArchivedImage[], platforms: readonly Platform[]): ArchivedImage[] {
  const left =
    platforms.length === 0
      ? images
      : images.filter(image => platforms.some(platform => platformScore(platform, configPlatform(image)) > 0));
  if (left.length > 0) return left;
  const wanted = platforms.map(formatPlatform).join(', ');
  throw invalidParameter(
    platforms.length === 0 ? 'the archive has no image' : `the archive has no image for the platform ${wanted}`,
  );
}

/** Of the images under one name, the best for each platform that is asked for. */
function chosen(images: readonly ArchivedImage[], platforms: readonly Platform[]): readonly ArchivedImage[] {
  if (platforms.length === 0) return images;
  const picked = platforms.map(platform => bestPlatform(platform, images, configPlatform));
  return [...new Set(picked)].filter(image => image !== undefined);
}

function configPlatform({ config }: ArchivedImage): Platform {
  if (config.kind !== 'document') throw invalidParameter('invalid archive: an image configuration is no JSON document');
  const { os, architecture, variant } = parseImageConfig(Buffer.from(config.bytes));
  return { os: os || 'linux', architecture, ...(typeof variant === 'string' ? { variant } : {}) };
}

/** The names that an index entry carries: containerd's full one, else the specification's, which may be only a tag. */
function namesOf({ annotations }: Descriptor): Reference[] {
  const full = annotations?.['io.containerd.image.name'] ?? annotations?.['org.opencontainers.image.ref.name'];
  if (full === undefined || !/[/:]/.test(full)) return [];
  return [withDefaultTag(parseReference(full))];
}

/** The images below an entry of the layout: of an index each one whose blobs are all in the archive. */
function resolve(
  contents: ArchiveContents,
  descriptor: Descriptor,
  above: readonly ArchivedDocument[],
  depth: number,
): ArchivedImage[] {
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return [];
  const member = find(contents, blobName(descriptor.digest));
  // An index may name platforms whose blobs were left out of the archive.
  if (member?.kind !== 'document') return [];
  if (member.digest !== descriptor.digest) throw wrongDigest(descriptor.digest, member.digest);
  const bytes = Buffer.from(member.bytes);
  const read = parseImageDocument(bytes, descriptor.mediaType);
  if (read.kind === 'index') {
    if (depth >= MAX_DEPTH) throw invalidParameter('the archive has indexes that name each other');
    const path = [...above, { digest: descriptor.digest, mediaType: read.index.mediaType, bytes }];
    return read.index.manifests
      .filter(entry => entry.platform?.os !== 'unknown')
      .flatMap(entry => resolve(contents, entry, path, depth + 1));
  }
  const { config, layers, mediaType } = read.manifest;
  const isWhole = [config, ...layers].every(({ digest }) => find(contents, blobName(digest)) !== undefined);
  if (!isWhole && above.length > 0) return [];
  const blob = ({ digest }: Descriptor): ArchiveMember => {
    const found = must(contents, blobName(digest));
    if (found.digest !== digest) throw wrongDigest(digest, found.digest);
    return found;
  };
  const manifest = { digest: descriptor.digest, mediaType, bytes };
  return [
    {
      config: blob(config),
      layers: layers.map(blob),
      names: [],
      target: above[0]?.digest ?? descriptor.digest,
      manifests: [...above, manifest],
    },
  ];
}

function wrongDigest(expected: string, found: string): Error {
  return invalidParameter(`invalid archive: the blob ${expected} has the digest ${found}`, {
    hint: 'the archive is damaged; save or copy it again',
  });
}
