import type { IncomingMessage } from 'node:http';
import { systemError } from '@gantry/errors';
import type { Digest, Reference } from '@gantry/oci';
import type { HttpRequest } from '../pull/http.ts';
import { registryError } from '../pull/registry-error.ts';
import type { RegistrySession } from '../pull/registry-session.ts';
import type { BlobSource } from './blob-source.ts';
import type { ManifestDocument } from './push-manifest.ts';

const CANCEL_MS = 5000;
const BINARY = { 'Content-Type': 'application/octet-stream' };

/** An upload that stands open: where it goes on, and how many bytes the registry has of it. */
export type Upload = { readonly url: URL; readonly doneBytes: number };

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
  async mount(
    digest: Digest,
    from: string,
  ): Promise<{ readonly mounted: boolean; readonly upload: Upload | undefined }> {
    const url = this.#url(`blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`);
    const answer = await this.#ask(url, { method: 'POST' });
    answer.resume();
    if (answer.statusCode === 201) return { mounted: true, upload: undefined };
    const upload = answer.statusCode === 202 ? { url: locationOf(answer, url), doneBytes: 0 } : undefined;
    return { mounted: false, upload };
  }

  async openUpload(): Promise<Upload> {
    const url = this.#url('blobs/uploads/');
    const answer = await this.#expect(url, { method: 'POST', headers: { 'Content-Length': '0' } }, [202]);
    return { url: locationOf(answer, url), doneBytes: 0 };
  }

  /**
   * Sends what an upload lacks of a blob, and closes it: in one request when the digest is known, else as a stream that
   * is named at its end.
   */
  async finishUpload({ url, doneBytes }: Upload, source: BlobSource): Promise<void> {
    const { known } = source;
    if (!known) {
      const body = source.bytes(doneBytes);
      const sent = await this.#expect(url, { method: 'PATCH', headers: BINARY, body }, [202]);
      const last = withDigestOf(locationOf(sent, url), source.result().digest);
      await this.#expect(last, { method: 'PUT', headers: { 'Content-Length': '0' } }, [201]);
      return;
    }
    const { digest, size } = known;
    const headers: Record<string, string> = { ...BINARY, 'Content-Length': String(size - doneBytes) };
    if (doneBytes > 0 && doneBytes < size) headers['Content-Range'] = `${doneBytes}-${size - 1}`;
    const body = doneBytes < size ? source.bytes(doneBytes) : '';
    await this.#expect(withDigestOf(url, digest), { method: 'PUT', headers, body }, [201]);
  }

  /** What the registry has of an upload that broke off; undefined when it knows nothing of it any more. */
  async uploadState({ url }: Upload): Promise<Upload | undefined> {
    const answer = await this.#ask(url, { method: 'GET' });
    answer.resume();
    if (answer.statusCode !== 204) return undefined;
    const last = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.range ?? '')?.[1];
    const next = answer.headers.location === undefined ? url : locationOf(answer, url);
    // Of nothing and of one byte the answer is the same, 0-0: a single byte is sent again from the start.
    return last === undefined || last === '0' ? undefined : { url: next, doneBytes: Number(last) + 1 };
  }

  /** Gives an upload up, also after the push was cancelled: the registry would keep what it has of it for days. */
  async cancelUpload({ url }: Upload): Promise<void> {
    try {
      (await this.#session.ask(url, { method: 'DELETE', signal: AbortSignal.timeout(CANCEL_MS) }, false)).resume();
    } catch {
      // It will notice by itself.
    }
  }

  /** Uploads a small blob in one piece unless it is there. */
  async putBlob(digest: Digest, bytes: Buffer): Promise<void> {
    if (await this.hasBlob(digest)) return;
    const { url } = await this.openUpload();
    const headers = { ...BINARY, 'Content-Length': String(bytes.length) };
    await this.#expect(withDigestOf(url, digest), { method: 'PUT', headers, body: bytes }, [201]);
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

function withDigestOf(upload: URL, digest: Digest): URL {
  const url = new URL(upload);
  url.searchParams.append('digest', digest);
  return url;
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
