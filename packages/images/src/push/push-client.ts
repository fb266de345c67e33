import type { IncomingMessage } from 'node:http';
import { systemError } from '@gantry/errors';
import type { Digest, Reference } from '@gantry/oci';
import type { HttpRequest } from '../pull/http.ts';
import { registryError } from '../pull/registry-error.ts';
import type { RegistrySession } from '../pull/registry-session.ts';
import type { ManifestDocument } from './push-manifest.ts';

const CANCEL_MS = 5000;

/** One repository that is pushed to, by the distribution protocol. @see OCI distribution-spec 1.1, "Push" */
export class PushClient {
  readonly #session: RegistrySession;
  readonly #reference: Reference;
  readonly #signal: AbortSignal;

  constructor(session: RegistrySession, reference: Reference, signal: AbortSignal) {
    this.#session = session;
    this.#reference = reference;
    this.#signal = signal;
  }

  #url(rest: string): URL {
    return this.#session.url(`${this.#reference.path}/${rest}`);
  }

  #ask(url: URL, request: Omit<HttpRequest, 'signal'>): Promise<IncomingMessage> {
    return this.#session.ask(url, { ...request, signal: this.#signal });
  }

  async #expect(url: URL, request: Omit<HttpRequest, 'signal'>, statuses: readonly number[]): Promise<IncomingMessage> {
    const answer = await this.#ask(url, request);
    if (!statuses.includes(answer.statusCode ?? 0)) {
      throw await registryError(answer, url, this.#reference, 'push', request.method);
    }
    answer.resume();
    return answer;
  }

  /** Says hello, which settles where the registry is and what it asks for. */
  async ping(): Promise<void> {
    (await this.#ask(this.#session.url(''), { method: 'GET' })).resume();
  }

  /** Tells whether the repository has a blob. */
  async hasBlob(digest: Digest): Promise<boolean> {
    const url = this.#url(`blobs/${digest}`);
    const answer = await this.#ask(url, { method: 'HEAD' });
    answer.resume();
    const status = answer.statusCode ?? 0;
    if (status === 401 || status === 403) throw await registryError(answer, url, this.#reference, 'push');
    return status === 200;
  }

  /** Takes a blob over from another repository of the registry. A registry that does not may open an upload instead. */
  async mount(digest: Digest, from: string): Promise<{ readonly mounted: boolean; readonly upload: URL | undefined }> {
    const url = this.#url(`blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`);
    const answer = await this.#ask(url, { method: 'POST' });
    answer.resume();
    if (answer.statusCode === 201) return { mounted: true, upload: undefined };
    const upload = answer.statusCode === 202 ? locationOf(answer, url) : undefined;
    return { mounted: false, upload };
  }

  /**
   * Uploads a blob whose digest may be known only at its end.
   * @param opened an upload that stands open already
   */
  async upload(bytes: AsyncIterable<Uint8Array>, digest: () => Digest, opened?: URL): Promise<void> {
    const upload = opened ?? (await this.#open());
    try {
      const headers = { 'Content-Type': 'application/octet-stream' };
      const sent = await this.#expect(upload, { method: 'PATCH', headers, body: bytes }, [202]);
      const last = locationOf(sent, upload);
      last.searchParams.append('digest', digest());
      await this.#expect(last, { method: 'PUT', headers: { 'Content-Length': '0' } }, [201]);
    } catch (error) {
      // The registry would keep what it has of it for days.
      const signal = AbortSignal.timeout(CANCEL_MS);
      this.#session.ask(upload, { method: 'DELETE', signal }).then(
        answer => answer.resume(),
        () => {},
      );
      throw error;
    }
  }

  async #open(): Promise<URL> {
    const url = this.#url('blobs/uploads/');
    return locationOf(await this.#expect(url, { method: 'POST', headers: { 'Content-Length': '0' } }, [202]), url);
  }

  /** Uploads a small blob in one piece unless it is there. */
  async putBlob(digest: Digest, bytes: Buffer): Promise<void> {
    if (await this.hasBlob(digest)) return;
    const url = await this.#open();
    url.searchParams.append('digest', digest);
    const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': String(bytes.length) };
    await this.#expect(url, { method: 'PUT', headers, body: bytes }, [201]);
  }

  /** Tells whether the repository has a manifest or an index. */
  async hasManifest(digest: Digest, mediaType: string): Promise<boolean> {
    const answer = await this.#ask(this.#url(`manifests/${digest}`), {
      method: 'HEAD',
      headers: { Accept: mediaType },
    });
    answer.resume();
    return answer.statusCode === 200;
  }

  /** Uploads a manifest or an index under a tag, or under its digest. */
  async putManifest({ mediaType, bytes }: ManifestDocument, tag: string): Promise<void> {
    const headers = { 'Content-Type': mediaType, 'Content-Length': String(bytes.length) };
    await this.#expect(this.#url(`manifests/${tag}`), { method: 'PUT', headers, body: bytes }, [201]);
  }
}

function locationOf(answer: IncomingMessage, asked: URL): URL {
  const { location } = answer.headers;
  if (location === undefined || !URL.canParse(location, asked.href)) {
    throw systemError(`the registry ${asked.host} opens an upload without saying where (Location)`);
  }
  const url = new URL(location, asked);
  // Some registries behind a proxy that ends TLS give their own scheme.
  if (asked.protocol === 'https:' && url.protocol === 'http:' && url.host === asked.host) url.protocol = 'https:';
  return url;
}
