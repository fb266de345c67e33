import {
  type Descriptor,
  type Digest,
  layerCompression,
  type Manifest,
  MediaType,
  parseImageDocument,
} from '@gantry/oci';
import type { ImageRepository } from '../store/image-repository.ts';

/** A manifest as it is sent. */
export type ManifestDocument = { readonly mediaType: string; readonly digest: Digest; readonly bytes: Buffer };

/** The manifest that an image came with, or was pushed with before; what was pulled is pushed the same if that can be. */
export function knownManifest(
  images: ImageRepository,
  imageId: string,
): (ManifestDocument & { readonly manifest: Manifest }) | undefined {
  for (const { digest } of images.database.manifestsOf(imageId)) {
    try {
      const bytes = images.blobs.read(digest);
      const document = parseImageDocument(bytes);
      if (document.kind !== 'manifest' || document.manifest.config.digest !== imageId) continue;
      return { digest, bytes, mediaType: document.manifest.mediaType, manifest: document.manifest };
    } catch {
      // A document that was lost is no reason not to push: a new one is written.
    }
  }
  return undefined;
}

/** Writes a manifest as dockerd does: Docker's schema 2, or OCI's where a layer is compressed as that has no name for. */
export function writeManifest(config: { digest: string; size: number }, layers: readonly Descriptor[]): Buffer {
  const isOci = layers.some(({ mediaType }) => layerCompression(mediaType) === 'zstd');
  const document = {
    schemaVersion: 2,
    mediaType: isOci ? MediaType.ociManifest : MediaType.dockerManifest,
    config: descriptor(isOci ? MediaType.ociConfig : MediaType.dockerConfig, config),
    layers: layers.map(layer => descriptor(layerType(layer.mediaType, isOci), layer)),
  };
  return Buffer.from(JSON.stringify(document, undefined, 3));
}

const descriptor = (mediaType: string, { size, digest }: { size: number; digest: string }) => ({
  mediaType,
  size,
  digest,
});

function layerType(mediaType: string, isOci: boolean): string {
  switch (layerCompression(mediaType)) {
    case 'zstd':
      return MediaType.ociLayerZstd;
    case 'none':
      return isOci ? MediaType.ociLayer : MediaType.dockerLayer;
    default:
      return isOci ? MediaType.ociLayerGzip : MediaType.dockerLayerGzip;
  }
}
