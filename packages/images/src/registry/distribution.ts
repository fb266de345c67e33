import { systemError } from '@gantry/errors';
import {
  type Descriptor,
  familiarReference,
  MAX_CONFIG_BYTES,
  type Platform,
  parseImageConfig,
  parseImageDocument,
  parseReference,
  withDefaultTag,
} from '@gantry/oci';
import type { DistributionInspect } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { endpointsOf, type RegistryOptions, withCertificates } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import { RegistryClient } from '../pull/registry-client.ts';

/** What a registry has under a reference: digest, size and platforms, without pulling it. */
export async function inspectDistribution(
  registries: RegistryOptions,
  text: string,
  authorization: unknown,
  signal: AbortSignal,
): Promise<DistributionInspect> {
  const reference = withDefaultTag(parseReference(text));
  const endpoints = endpointsOf(reference, registries);
  for (const [i, endpoint] of endpoints.entries()) {
    using client = new RegistryClient(
      await withCertificates(endpoint),
      reference,
      readCredentials(authorization),
      'inspect',
    );
    try {
      return await inspectAt(client, reference.digest ?? reference.tag ?? 'latest', signal);
    } catch (error) {
      if (i < endpoints.length - 1 && !signal.aborted && (error instanceof ConnectionError || endpoint.isMirror))
        continue;
      if (!(error instanceof ConnectionError)) throw error;
      const hint = `check that the registry ${endpoint.url.host} can be reached from here`;
      throw systemError(`Get "${new URL('v2/', endpoint.url).href}": ${error.message}`, { cause: error, hint });
    }
  }
  throw systemError(`no endpoints found for ${familiarReference(reference)}`);
}

async function inspectAt(client: RegistryClient, which: string, signal: AbortSignal): Promise<DistributionInspect> {
  // Asked for its digest first, as dockerd does, so that a refusal is the same.
  const digest = which.includes(':') ? which : ((await client.resolve(which, signal)) ?? which);
  const { bytes, digest: own, contentType } = await client.manifest(digest, signal);
  const document = parseImageDocument(bytes, contentType);
  const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
  const platforms =
    document.kind === 'index'
      ? document.index.manifests.flatMap(({ platform }) => platform ?? [])
      : await platformOf(client, document.manifest.config, signal);
  return {
    Descriptor: { mediaType, digest: own, size: bytes.length },
    Platforms: platforms.map(({ architecture, os, ...rest }) => ({ architecture, os, ...rest })),
  };
}

async function platformOf(client: RegistryClient, config: Descriptor, signal: AbortSignal): Promise<Platform[]> {
  const { architecture, os, variant } = parseImageConfig(await client.document(config, MAX_CONFIG_BYTES, signal));
  const more = typeof variant === 'string' && variant !== '' ? { variant } : {};
  return [{ architecture, os, ...more }];
}
