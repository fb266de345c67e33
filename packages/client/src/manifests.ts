import type { RegistryManifestDocument } from '@gantry/engine';
import { referencePath } from './reference-path.ts';
import type { Transport } from './transport.ts';

/** How a registry is asked. */
export type RegistryAccess = {
  /** Certificates are not verified, and plain HTTP will do. */
  readonly insecure?: boolean;
  /** What X-Registry-Auth carries. */
  readonly authorization?: string | undefined;
  readonly signal?: AbortSignal;
};

/** Single manifests and indexes at registries. Gantry's engine alone answers this. */
export class ManifestsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** One manifest or index, without what it names. @throws ApiError 404 `no such manifest: REFERENCE` */
  fetch(ref: string, { insecure, authorization, signal }: RegistryAccess = {}): Promise<RegistryManifestDocument> {
    return this.#transport.json({
      path: `/gantry/manifests/${referencePath(ref)}`,
      query: { insecure },
      headers: authorizationHeader(authorization),
      signal,
    });
  }

  /**
   * Stores a manifest or an index under a tag or its own digest; answers with the digest.
   * @param from the repository of the same registry (`team/app`) whose blobs are mounted, where the target lacks them
   */
  async put(
    ref: string,
    document: { readonly mediaType: string; readonly text: string; readonly from?: string },
    { insecure, authorization, signal }: RegistryAccess = {},
  ): Promise<string> {
    const body = Buffer.from(document.text);
    const { Digest } = await this.#transport.json<{ Digest: string }>({
      method: 'PUT',
      path: `/gantry/manifests/${referencePath(ref)}`,
      query: { insecure, from: document.from },
      headers: { ...authorizationHeader(authorization), 'Content-Type': document.mediaType },
      body: one(body),
      signal,
    });
    return Digest;
  }
}

async function* one(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

function authorizationHeader(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? {} : { 'X-Registry-Auth': authorization };
}
