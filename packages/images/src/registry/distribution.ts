import {
  type Descriptor,
  MAX_CONFIG_BYTES,
  type Platform,
  parseImageConfig,
  parseImageDocument,
  parseReference,
  withDefaultTag,
} from '@gantry/oci';
import type { DistributionInspect } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { findEndpoints, type RegistryOptions } from '../pull/endpoints.ts';
import { PullSource } from '../pull/pull-source.ts';

/** What a registry has under a reference: digest, size and platforms, without pulling it. */
export async function inspectDistribution(
  registries: RegistryOptions,
  text: string,
  authorization: unknown,
  signal: AbortSignal,
): Promise<DistributionInspect> {
  const reference = withDefaultTag(parseReference(text));
  const endpoints = await findEndpoints(reference, registries, 'pull');
  using source = new PullSource(endpoints, reference, readCredentials(authorization), { action: 'inspect' });
  return await inspectAt(source, reference.digest ?? reference.tag ?? 'latest', signal);
}

async function inspectAt(source: PullSource, which: string, signal: AbortSignal): Promise<DistributionInspect> {
  // Asked for its digest first, as dockerd does, so that a refusal is the same.
  const digest = which.includes(':') ? which : ((await source.resolve(which, signal)) ?? which);
  const { bytes, digest: own, contentType } = await source.manifest(digest, signal);
  const document = parseImageDocument(bytes, contentType);
  const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
  const platforms =
    document.kind === 'index'
      ? document.index.manifests.flatMap(({ platform }) => platform ?? [])
      : await platformOf(source, document.manifest.config, signal);
  return {
    Descriptor: { mediaType, digest: own, size: bytes.length },
    Platforms: platforms.map(({ architecture, os, ...rest }) => ({ architecture, os, ...rest })),
  };
}

async function platformOf(source: PullSource, config: Descriptor, signal: AbortSignal): Promise<Platform[]> {
  const { architecture, os, variant } = parseImageConfig(await source.document(config, MAX_CONFIG_BYTES, signal));
  const more = typeof variant === 'string' && variant !== '' ? { variant } : {};
  return [{ architecture, os, ...more }];
}
