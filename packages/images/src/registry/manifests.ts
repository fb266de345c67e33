import { GantryError, invalidParameter, isGantryError, messageOf, notFound, systemError } from '@gantry/errors';
import {
  type Descriptor,
  type Digest,
  digestOf,
  formatReference,
  hashFor,
  MAX_CONFIG_BYTES,
  parseImageDocument,
  parseJson,
  parseReference,
  type Reference,
  withDefaultTag,
} from '@gantry/oci';
import type { ManifestQuestion, ManifestUpload, RegistryManifest } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { findEndpoints, isListed, type RegistryOptions } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import { connectionHint, PullSource } from '../pull/pull-source.ts';
import type { RegistrySession } from '../pull/registry-session.ts';
import { openPushSession } from '../push/open-session.ts';
import { PushClient } from '../push/push-client.ts';

/**
 * A manifest or an index as a registry has it; of a manifest the platform too, from its configuration. Errors are worded as
 * `docker manifest` words them: all that a registry does not give is `no such manifest`, and the hint tells why.
 */
export async function fetchManifest(
  registries: RegistryOptions,
  text: string,
  { isInsecure: mayBeInsecure, authorization }: ManifestQuestion,
  signal: AbortSignal,
): Promise<RegistryManifest> {
  const reference = withDefaultTag(parseReference(text));
  const found = await findEndpoints(reference, optionsFor(reference, registries, mayBeInsecure), 'pull');
  const isOpen = mayBeInsecure || isListed(reference.domain, registries.insecure);
  // An explicit word is needed for plain HTTP, also on the loopback: as Docker's client.
  const endpoints = found.filter(({ url }) => isOpen || url.protocol === 'https:');
  using source = new PullSource(endpoints, reference, readCredentials(authorization), { action: 'inspect' });
  try {
    const { bytes, contentType } = await source.manifest(reference.digest ?? reference.tag ?? 'latest', signal);
    const document = parseImageDocument(bytes, contentType);
    const own = document.kind === 'index' ? document.index : document.manifest;
    const descriptor = { mediaType: own.mediaType, digest: digestOf(bytes), size: bytes.length };
    if (document.kind === 'index') return { descriptor, platform: undefined, bytes };
    const config = parseJson(
      await source.document(document.manifest.config, MAX_CONFIG_BYTES, signal),
      MAX_CONFIG_BYTES,
      'image config',
    );
    return { descriptor, platform: platformOf(config), bytes };
  } catch (error) {
    throw readError(reference, error);
  }
}

function optionsFor({ domain }: Reference, registries: RegistryOptions, mayBeInsecure: boolean): RegistryOptions {
  return mayBeInsecure ? { ...registries, insecure: [...registries.insecure, domain] } : registries;
}

function platformOf(config: Readonly<Record<string, unknown>>): RegistryManifest['platform'] {
  const text = (key: string): string => (typeof config[key] === 'string' ? config[key] : '');
  const features = config['os.features'];
  return {
    architecture: text('architecture'),
    os: text('os'),
    ...(text('os.version') === '' ? {} : { 'os.version': text('os.version') }),
    ...(Array.isArray(features) ? { 'os.features': features.filter(feature => typeof feature === 'string') } : {}),
    ...(text('variant') === '' ? {} : { variant: text('variant') }),
  };
}

function readError(reference: Reference, error: unknown): unknown {
  if (!isGantryError(error) || error.kind === 'cancelled') return error;
  const { message, hint, cause } = error;
  const isPlain = cause instanceof ConnectionError && cause.message.includes('HTTP response to HTTPS client');
  if (cause instanceof ConnectionError && !isPlain) {
    return systemError(`failed to configure transport: error pinging v2 registry: ${message}`, { hint, cause });
  }
  const isAbsent = ['notFound', 'unauthorized', 'unavailable'].includes(error.kind) || isPlain;
  if (!isAbsent) return error;
  const why = isPlain ? `${reference.domain} speaks plain HTTP: allow that with --insecure` : `${message}; ${hint}`;
  return notFound(`no such manifest: ${formatReference(reference)}`, { cause: error, hint: why });
}

/**
 * Sends a manifest or an index under the tag or the digest of `text`; answers with its digest.
 * @throws invalidParameter for what is no manifest, or has another digest; system in the words of `docker manifest push`
 */
export async function putManifest(
  registries: RegistryOptions,
  text: string,
  upload: ManifestUpload,
  signal: AbortSignal,
): Promise<Digest> {
  const reference = withDefaultTag(parseReference(text));
  const { bytes, from } = upload;
  const document = parseImageDocument(bytes, upload.mediaType);
  const { mediaType } = document.kind === 'index' ? document.index : document.manifest;
  const digest = reference.digest ?? digestOf(bytes);
  if (!digest.endsWith(`:${hashFor(digest).update(bytes).digest('hex')}`)) {
    throw invalidParameter(`manifest verification failed for digest ${digest}`);
  }
  using session = await openSession(registries, reference, upload, signal);
  if (from !== undefined && document.kind === 'manifest') {
    const { config, layers } = document.manifest;
    for (const blob of [config, ...layers]) await mountBlob(session, reference, blob, from, signal);
  }
  const name = formatReference(reference);
  try {
    await new PushClient(session, reference, signal).putManifest(
      { mediaType, bytes, digest },
      reference.digest ?? reference.tag ?? 'latest',
    );
  } catch (error) {
    throw sendError(session, `failed to put manifest ${name}`, error);
  }
  return digest;
}

/** The first endpoint of the registry that answers. */
async function openSession(
  registries: RegistryOptions,
  reference: Reference,
  { from, authorization, isInsecure: mayBeInsecure }: ManifestUpload,
  signal: AbortSignal,
): Promise<RegistrySession> {
  const endpoints = await findEndpoints(reference, optionsFor(reference, registries, mayBeInsecure), 'push');
  const sources = from === undefined ? [] : [from];
  const options = { sources, credentials: readCredentials(authorization), signal };
  return openPushSession(endpoints, reference, options, (session, error) => {
    const isConnection = error instanceof ConnectionError;
    const step = `failed to ${isConnection ? 'configure transport: error pinging v2 registry' : `put manifest ${formatReference(reference)}`}`;
    return sendError(session, step, error);
  });
}

/** Takes a blob over from another repository of the registry. */
async function mountBlob(
  session: RegistrySession,
  target: Reference,
  { digest, urls, mediaType }: Descriptor,
  from: string,
  signal: AbortSignal,
): Promise<void> {
  const client = new PushClient(session, target, signal);
  const [source, name] = [`${from}@${digest}`, formatReference(target)];
  try {
    const { mounted, upload } = await client.mount(digest, from);
    if (mounted) return;
    if (upload) await client.cancelUpload(upload);
    // What is fetched from elsewhere need not be in the registry.
    if (urls !== undefined || mediaType.includes('foreign') || mediaType.includes('nondistributable')) return;
    if (await client.hasBlob(digest)) return;
  } catch (error) {
    throw sendError(session, `failed to mount blob ${source} to ${name}`, error);
  }
  throw systemError(`error mounting ${source} to ${name}`, {
    hint: `${session.endpoint.url.host} does not give this blob of ${from} to ${target.path}: push the image to ${target.path}`,
  });
}

function sendError({ endpoint: { url } }: RegistrySession, step: string, error: unknown): unknown {
  if (isGantryError(error, 'cancelled')) return error;
  if (error instanceof ConnectionError) {
    const hint = connectionHint(error, url.host);
    return systemError(`${step}: Get "${url.href}": ${error.message}`, { cause: error, hint });
  }
  if (!isGantryError(error)) return error;
  // A 401 of the engine would be about the engine.
  const kind = error.kind === 'unauthorized' ? 'system' : error.kind;
  return new GantryError(kind, `${step}: ${messageOf(error)}`, {
    cause: error,
    hint: error.hint ?? `asked ${url.host}`,
  });
}
