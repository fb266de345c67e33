import { isGantryError } from '@gantry/errors';
import { type Descriptor, type Digest, parseImageDocument, parseReference, withDefaultTag } from '@gantry/oci';
import type { ReferrersDocument } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { findEndpoints, type RegistryOptions } from '../pull/endpoints.ts';
import { PullSource } from '../pull/pull-source.ts';

/**
 * What a registry has that refers to an image: signatures, lists of contents, attestations. A registry without the
 * referrers API is asked for the tag that clients keep instead, `sha256-HEX`.
 * @param artifactType only referrers of this type; all when empty
 * @throws notFound when the registry does not have the image
 * @see OCI distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema"
 */
export async function listReferrers(
  registries: RegistryOptions,
  text: string,
  artifactType: string,
  authorization: unknown,
  signal: AbortSignal,
): Promise<ReferrersDocument> {
  const reference = withDefaultTag(parseReference(text));
  const endpoints = await findEndpoints(reference, registries, 'pull');
  const credentials = readCredentials(authorization);
  using source = new PullSource(endpoints, reference, credentials, { action: 'inspect' });
  const which =
    reference.digest ?? (await source.resolve(reference.tag ?? 'latest', signal)) ?? reference.tag ?? 'latest';
  const subject = await source.manifest(which, signal);
  const document = parseImageDocument(subject.bytes, subject.contentType);
  const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
  const listed = await source.referrers(subject.digest, artifactType, signal);
  const all = listed ?? (await fromTag(source, subject.digest, signal));
  return {
    Subject: { mediaType, digest: subject.digest, size: subject.bytes.length },
    Source: listed ? 'api' : 'tag',
    Referrers: artifactType === '' ? all : all.filter(descriptor => descriptor.artifactType === artifactType),
  };
}

async function fromTag(source: PullSource, digest: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
  try {
    const { bytes, contentType } = await source.manifest(digest.replace(':', '-'), signal);
    const document = parseImageDocument(bytes, contentType);
    return document.kind === 'index' ? document.index.manifests : [];
  } catch (error) {
    if (isGantryError(error, 'notFound')) return [];
    throw error;
  }
}
