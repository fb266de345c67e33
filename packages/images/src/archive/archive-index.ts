import { invalidParameter } from '@gantry/errors';
import {
  bestPlatform,
  type Descriptor,
  hostPlatform,
  isIndexType,
  isManifestType,
  MAX_CONFIG_BYTES,
  type Platform,
  parseImageDocument,
  parseJson,
  parseReference,
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
  /** The OCI or Docker manifest, when the archive has one. */
  readonly manifest: { readonly digest: string; readonly mediaType: string; readonly bytes: Uint8Array } | undefined;
};

const MAX_IMAGES = 1000;
const MAX_DEPTH = 4;

/** Reads what images an archive holds: Docker's manifest.json when it is there, else the OCI layout's index.json. */
export function readArchiveIndex(contents: ArchiveContents, platform: Platform = hostPlatform()): ArchivedImage[] {
  if (find(contents, 'manifest.json')) return readDockerManifest(contents);
  if (find(contents, 'index.json')) return readLayout(contents, platform);
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
      manifest: undefined,
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

function readLayout(contents: ArchiveContents, platform: Platform): ArchivedImage[] {
  parseJson(document(contents, 'oci-layout'), MAX_CONFIG_BYTES, 'oci-layout');
  const top = parseImageDocument(document(contents, 'index.json'));
  if (top.kind !== 'index') throw invalidParameter('index.json is no index');
  const images = new Map<string, { image: ArchivedImage; names: Reference[] }>();
  for (const descriptor of top.index.manifests.slice(0, MAX_IMAGES)) {
    const found = resolve(contents, descriptor, platform, 0);
    if (!found) continue;
    const known = images.get(found.digest) ?? { image: found.image, names: [] };
    known.names.push(...namesOf(descriptor));
    images.set(found.digest, known);
  }
  if (images.size === 0) throw invalidParameter(`the archive has no image for this platform`);
  return [...images.values()].map(({ image, names }) => ({ ...image, names }));
}

/** The names that an index entry carries: containerd's full one, else the specification's, which may be only a tag. */
function namesOf({ annotations }: Descriptor): Reference[] {
  const full = annotations?.['io.containerd.image.name'] ?? annotations?.['org.opencontainers.image.ref.name'];
  if (full === undefined || !/[/:]/.test(full)) return [];
  return [withDefaultTag(parseReference(full))];
}

function resolve(
  contents: ArchiveContents,
  descriptor: Descriptor,
  platform: Platform,
  depth: number,
): { digest: string; image: ArchivedImage } | undefined {
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return undefined;
  const member = find(contents, blobName(descriptor.digest));
  // An index may name platforms whose blobs were left out of the archive.
  if (member?.kind !== 'document') return undefined;
  if (member.digest !== descriptor.digest) throw wrongDigest(descriptor.digest, member.digest);
  const bytes = Buffer.from(member.bytes);
  const read = parseImageDocument(bytes, descriptor.mediaType);
  if (read.kind === 'index') {
    if (depth >= MAX_DEPTH) throw invalidParameter('the archive has indexes that name each other');
    const fitting = bestPlatform(
      platform,
      read.index.manifests.filter(entry => entry.platform),
      entry => entry.platform,
    );
    const [first] = read.index.manifests;
    const chosen = fitting ?? (read.index.manifests.length === 1 ? first : undefined);
    return chosen && resolve(contents, chosen, platform, depth + 1);
  }
  const { config, layers, mediaType } = read.manifest;
  const blob = ({ digest }: Descriptor): ArchiveMember => {
    const found = must(contents, blobName(digest));
    if (found.digest !== digest) throw wrongDigest(digest, found.digest);
    return found;
  };
  return {
    digest: descriptor.digest,
    image: {
      config: blob(config),
      layers: layers.map(blob),
      names: [],
      manifest: { digest: descriptor.digest, mediaType, bytes },
    },
  };
}

function wrongDigest(expected: string, found: string): Error {
  return invalidParameter(`invalid archive: the blob ${expected} has the digest ${found}`, {
    hint: 'the archive is damaged; save or copy it again',
  });
}
