import { ApiError, type EngineClient } from '@gantry/client';
import type { Context } from '../command.ts';
import { registryAuthorization } from '../credentials.ts';
import { withHint } from '../describe-error.ts';
import { ExitError } from '../errors.ts';
import { type LocalManifest, localManifest, type ManifestPlatform } from './local-manifest.ts';
import { type NamedReference, placeOf } from './reference.ts';

const LISTS = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);

/** Manifests at registries, which the engine asks: it knows their certificates, proxies and mirrors. */
export class ManifestRegistry {
  readonly #context: Context;
  readonly #engine: EngineClient;
  readonly #insecure: boolean;

  constructor(context: Context, engine: EngineClient, insecure: boolean) {
    this.#context = context;
    this.#engine = engine;
    this.#insecure = insecure;
  }

  #access(ref: string) {
    const { registry } = placeOf(ref);
    return { insecure: this.#insecure, authorization: registryAuthorization(this.#context.globals, `${registry}/`) };
  }

  /** What a reference is: one manifest, or all those of a list. */
  async fetch(ref: string): Promise<LocalManifest | readonly LocalManifest[]> {
    const { Descriptor, Raw } = await plainly(() => this.#engine.manifests.fetch(ref, this.#access(ref)));
    const text = Buffer.from(Raw, 'base64').toString();
    if (!LISTS.has(Descriptor.mediaType)) return localManifest(ref, Descriptor, text);
    const { manifests = [] } = JSON.parse(text) as { manifests?: readonly ListEntry[] };
    return await Promise.all(manifests.map(entry => this.#entry(ref, entry)));
  }

  /** A reference that must be one manifest. */
  async manifest({ text }: NamedReference): Promise<LocalManifest> {
    const found = await this.fetch(text);
    if ('ref' in found) return found;
    throw new ExitError(1, `${text} is a manifest list`);
  }

  async #entry(list: string, { digest, platform }: ListEntry): Promise<LocalManifest> {
    const ref = `${list.split('@')[0]}@${digest}`;
    const found = await this.fetch(ref);
    if (!('ref' in found)) throw new ExitError(1, `unsupported manifest type: ${ref} is a list in a list`);
    // The list has the last word about what runs where.
    return { ...found, descriptor: { ...found.descriptor, platform: platform ?? { architecture: '', os: '' } } };
  }

  /** Stores a manifest, or a list, and answers with its digest. */
  put(ref: string, document: { mediaType: string; text: string; from?: string }): Promise<string> {
    return plainly(() => this.#engine.manifests.put(ref, document, this.#access(ref)));
  }
}

type ListEntry = { readonly digest: string; readonly platform?: ManifestPlatform };

/** With errors as Docker's command words them, which asks registries itself. */
async function plainly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApiError) throw new ExitError(1, withHint(error.message, error.hint));
    throw error;
  }
}
