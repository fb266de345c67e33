import { type Descriptor, isIndexType, parseImageDocument } from '@gantry/oci';
import type { ImageManifest, ImageManifests, StoredImage } from '../face.ts';
import { type ImageRepository, platformOf } from './image-repository.ts';

const MAX_DEPTH = 4;
/** Annotations by which BuildKit marks an entry of an index that describes another one. */
const REFERENCE_TYPE = 'vnd.docker.reference.type';
const REFERENCE_DIGEST = 'vnd.docker.reference.digest';

/** What an image's names stand for, and which of its platforms are here. @throws system when a document is damaged */
export function imageManifests(images: ImageRepository, imageId: string): ImageManifests {
  const image = images.byId(imageId);
  const digest = image.target;
  const row = images.database.manifestsOf(imageId).find(manifest => manifest.digest === digest);
  if (digest === undefined || !row) return { target: undefined, manifests: [] };
  const bytes = images.blobs.read(digest);
  const target: Descriptor = { mediaType: row.mediaType, digest, size: bytes.length };
  if (!isIndexType(row.mediaType)) return { target, manifests: [{ ...entry(images, target), image }] };
  return { target, manifests: entriesOf(images, bytes, row.mediaType, 0) };
}

function entriesOf(images: ImageRepository, bytes: Buffer, mediaType: string, depth: number): ImageManifest[] {
  const document = parseImageDocument(bytes, mediaType);
  if (document.kind === 'manifest') return [];
  return document.index.manifests.flatMap(descriptor => {
    if (!isIndexType(descriptor.mediaType)) return [entry(images, descriptor)];
    const isHere = images.database.imagesOfManifest(descriptor.digest).length > 0;
    if (!isHere || depth >= MAX_DEPTH) return [];
    return entriesOf(images, images.blobs.read(descriptor.digest), descriptor.mediaType, depth + 1);
  });
}

function entry(images: ImageRepository, descriptor: Descriptor): ImageManifest {
  const { annotations, platform } = descriptor;
  const attestationFor =
    annotations?.[REFERENCE_TYPE] === 'attestation-manifest' ? annotations[REFERENCE_DIGEST] : undefined;
  const [id] = images.database.imagesOfManifest(descriptor.digest);
  const image: StoredImage | undefined = id === undefined ? undefined : images.byId(id);
  const isKnown = image !== undefined || (platform !== undefined && platform.os !== 'unknown');
  return {
    descriptor: platform === undefined && image ? { ...descriptor, platform: platformOf(image) } : descriptor,
    kind: attestationFor !== undefined ? 'attestation' : isKnown ? 'image' : 'unknown',
    attestationFor,
    image,
  };
}
