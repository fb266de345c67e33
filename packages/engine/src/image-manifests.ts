import type { ImageManifest } from '@gantry/images';
import type { Descriptor } from '@gantry/oci';
import type { EngineContext } from './context.ts';
import type { DescriptorDocument, ImageManifestSummary } from './documents/index.ts';

/** A descriptor in the order of keys in which dockerd writes it. */
export function descriptor({ mediaType, digest, size, urls, annotations, platform }: Descriptor): DescriptorDocument {
  return {
    mediaType,
    digest,
    size,
    ...(urls ? { urls: [...urls] } : {}),
    ...(annotations ? { annotations: { ...annotations } } : {}),
    ...(platform ? { platform } : {}),
  };
}

/** The entries of an image's index, as dockerd with its containerd store describes them. */
export function manifestSummaries(context: EngineContext, manifests: readonly ImageManifest[]): ImageManifestSummary[] {
  return manifests.map(manifest => {
    const { image, kind, attestationFor } = manifest;
    // Compressed content is not kept: what is on disk is the unpacked layers and the documents.
    const documents = image ? manifest.descriptor.size + image.configBytes.length : 0;
    const unpacked = image?.sizeBytes ?? 0;
    const { platform = { architecture: '', os: '' } } = manifest.descriptor;
    return {
      ID: manifest.descriptor.digest,
      Descriptor: descriptor(manifest.descriptor),
      Available: image !== undefined,
      Size: { Content: documents, Total: documents + unpacked },
      Kind: kind,
      ...(kind === 'image'
        ? {
            ImageData: {
              Platform: platform,
              Size: { Unpacked: unpacked },
              Containers: image ? [...context.containers.ofImage(image.id)].map(({ id }) => id) : [],
            },
          }
        : {}),
      ...(kind === 'attestation' ? { AttestationData: { For: attestationFor ?? '' } } : {}),
    };
  });
}
