import { ExitError } from '../errors.ts';
import { inOrder, type LocalManifest } from './local-manifest.ts';
import { placeOf } from './reference.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/**
 * The document of a list, byte for byte as Docker's client makes it: its first manifest decides whether it is OCI's.
 * @throws ExitError for a manifest of another registry
 */
export function manifestList(
  target: string,
  manifests: readonly LocalManifest[],
): { readonly mediaType: string; readonly text: string } {
  const { registry } = placeOf(target);
  for (const { ref } of manifests) {
    const other = placeOf(ref).registry;
    if (other !== registry) {
      const problem = 'cannot use source images from a different registry than the target image';
      throw new ExitError(1, `${problem}: ${other} != ${registry}`);
    }
  }
  const mediaType = manifests[0]?.descriptor.mediaType === OCI_MANIFEST ? OCI_INDEX : DOCKER_LIST;
  const entries = manifests.map(({ descriptor: { mediaType: type, size, digest, platform } }) => ({
    mediaType: type,
    size,
    digest,
    platform: inOrder(platform ?? { architecture: '', os: '' }),
  }));
  return { mediaType, text: JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }, undefined, 3) };
}
