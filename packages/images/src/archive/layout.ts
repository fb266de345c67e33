import {
  type Descriptor,
  digestOf,
  familiarName,
  formatReference,
  MediaType,
  type Platform,
  parseImageConfig,
  parseReference,
  type Reference,
} from '@gantry/oci';
import type { SaveMember } from '../worker/save-task.ts';

/** A layer that goes into an archive: its bytes, or where it can be rebuilt from. */
export type LayoutLayer = { readonly diffId: string } & (
  | { readonly bytes: Uint8Array }
  | { readonly directory: string; readonly archiveBytes: number }
);

export type LayoutImage = {
  readonly configBytes: Uint8Array;
  /** Seconds since the epoch: the date of the image's members. */
  readonly created: number;
  /** Normalised references with a tag. */
  readonly names: readonly string[];
  /** Bottom first. */
  readonly layers: readonly LayoutLayer[];
  /** Images of other platforms that have the same names: an index is written over all of them. */
  readonly beside?: readonly Omit<LayoutImage, 'names' | 'beside'>[];
};

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const blobName = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

const sizeOf = (layer: LayoutLayer): number => ('bytes' in layer ? layer.bytes.byteLength : layer.archiveBytes);

/**
 * The members of an archive that is an OCI layout and Docker's format at once, as dockerd 25 and newer write it: layers
 * uncompressed, every blob once, the documents that name them at the end.
 */
export function imageArchive(images: readonly LayoutImage[]): SaveMember[] {
  const blobs = new Map<string, SaveMember>();
  const manifests: unknown[] = [];
  const dockerManifest: unknown[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  const addImage = ({ configBytes, created, layers }: Omit<LayoutImage, 'names'>): Descriptor => {
    for (const layer of layers) {
      const name = blobName(layer.diffId);
      if ('bytes' in layer) blobs.set(name, { kind: 'bytes', name, mtime: created, bytes: layer.bytes });
      else blobs.set(name, { kind: 'layer', name, mtime: created, ...layer });
    }
    const config = digestOf(configBytes);
    blobs.set(blobName(config), { kind: 'bytes', name: blobName(config), mtime: created, bytes: configBytes });
    const manifest = json({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: { mediaType: MediaType.ociConfig, digest: config, size: configBytes.byteLength },
      layers: descriptorsOf(layers),
    });
    return addDocument(MediaType.ociManifest, manifest, created);
  };
  const addDocument = (mediaType: string, bytes: Buffer, mtime: number): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(blobName(digest), { kind: 'bytes', name: blobName(digest), mtime, bytes });
    return { mediaType, digest, size: bytes.length };
  };
  for (const image of images) {
    const { configBytes, created, names, layers, beside = [] } = image;
    let descriptor = addImage(image);
    if (beside.length > 0) {
      const platforms = [image, ...beside].map(each => ({ ...addImage(each), platform: platformIn(each.configBytes) }));
      const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: platforms };
      descriptor = addDocument(MediaType.ociIndex, json(index), created);
    }
    const references = names.map(name => parseReference(name));
    for (const reference of references.length === 0 ? [undefined] : references) {
      manifests.push(reference === undefined ? descriptor : { ...descriptor, annotations: annotationsOf(reference) });
    }
    for (const reference of references) {
      const name = familiarName(reference);
      const tags = repositories[name] ?? {};
      tags[reference.tag ?? 'latest'] = (layers.at(-1)?.diffId ?? '').slice('sha256:'.length);
      repositories[name] = tags;
    }
    // Docker's format knows no platforms: what reads it gets the first.
    dockerManifest.push({
      Config: blobName(digestOf(configBytes)),
      RepoTags: references.length === 0 ? null : references.map(ref => `${familiarName(ref)}:${ref.tag ?? 'latest'}`),
      Layers: layers.map(layer => blobName(layer.diffId)),
      LayerSources: Object.fromEntries(descriptorsOf(layers).map(layer => [layer.digest, layer])),
    });
  }
  const mtime = 0;
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests };
  return [
    { kind: 'directory', name: 'blobs', mtime },
    { kind: 'directory', name: 'blobs/sha256', mtime },
    ...[...blobs.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    { kind: 'bytes', name: 'index.json', mtime, bytes: json(index) },
    { kind: 'bytes', name: 'manifest.json', mtime, bytes: json(dockerManifest) },
    { kind: 'bytes', name: 'oci-layout', mtime, bytes: json({ imageLayoutVersion: '1.0.0' }) },
    ...(Object.keys(repositories).length === 0
      ? []
      : [{ kind: 'bytes', name: 'repositories', mtime, bytes: json(repositories) } as const]),
  ];
}

function annotationsOf(reference: Reference): Record<string, string> {
  return {
    'io.containerd.image.name': formatReference(reference),
    'org.opencontainers.image.ref.name': reference.tag ?? 'latest',
  };
}

const descriptorsOf = (layers: readonly LayoutLayer[]): Descriptor[] =>
  layers.map(layer => ({ mediaType: MediaType.ociLayer, digest: layer.diffId, size: sizeOf(layer) }));

function platformIn(configBytes: Uint8Array): Platform {
  const { os, architecture, variant } = parseImageConfig(configBytes);
  return { architecture, os: os || 'linux', ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) };
}
