import type { IncomingMessage } from 'node:http';
import { systemError } from '@gantry/errors';
import {
  type Descriptor,
  type Digest,
  digestOf,
  hashFor,
  isDigest,
  MANIFEST_TYPES,
  MAX_MANIFEST_BYTES,
  MediaType,
  parseImageDocument,
  parseJson,
  type Reference,
  withDigest,
} from '@gantry/oci';
import type { Credentials } from './authorization.ts';
import type { Endpoint } from './endpoints.ts';
import { ConnectionError, readBody } from './http.ts';
import { registryError } from './registry-error.ts';
import { RegistrySession } from './registry-session.ts';
import type { Tracer } from './trace.ts';

export type FetchedManifest = {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly contentType: string | undefined;
};

/** One repository at one endpoint, by the distribution protocol. @see OCI distribution-spec 1.1, "Pull" */
export class RegistryClient implements Disposable {
  readonly endpoint: Endpoint;
  readonly #reference: Reference;
  readonly #session: RegistrySession;

  readonly #action: 'pull' | 'inspect';

  /** @param action what a refusal says was tried */
  constructor(endpoint: Endpoint, reference: Reference, credentials: Credentials, action: 'pull' | 'inspect' = 'pull') {
    this.endpoint = endpoint;
    this.#action = action;
    this.#reference = reference;
    this.#session = new RegistrySession(endpoint, credentials, [`repository:${reference.path}:pull`]);
  }

  /** Where something of the repository is, as `blobs/DIGEST`. */
  url(rest: string): URL {
    return this.#session.url(`${this.#reference.path}/${rest}`);
  }

  /** The digest that a tag has now, undefined when the registry does not say; costs less than the manifest. */
  async resolve(tag: string, signal: AbortSignal, trace?: Tracer): Promise<Digest | undefined> {
    const request = { method: 'HEAD', headers: ACCEPT, signal, trace } as const;
    const answer = await this.#session.ask(this.url(`manifests/${tag}`), request);
    answer.resume();
    const digest = answer.headers['docker-content-digest'];
    return answer.statusCode === 200 && isDigest(digest) ? digest : undefined;
  }

  /** A manifest or index by tag or digest; one asked for by digest has that digest. */
  async manifest(which: string, signal: AbortSignal, trace?: Tracer): Promise<FetchedManifest> {
    const url = this.url(`manifests/${which}`);
    const answer = await this.#session.ask(url, { method: 'GET', headers: ACCEPT, signal, trace });
    const asked = isDigest(which) ? withDigest(this.#reference, which) : this.#reference;
    if (answer.statusCode !== 200) throw await registryError(answer, url, asked, this.#action);
    const stated = Number(answer.headers['content-length'] ?? 0);
    // Not read at all, where it is known before.
    if (stated > MAX_MANIFEST_BYTES) {
      answer.destroy();
      throw systemError(`the manifest of ${which} is larger than the allowed ${MAX_MANIFEST_BYTES} bytes`, {
        hint: `${url.host} says it has ${stated} bytes: that is no image`,
      });
    }
    const bytes = await readBody(answer, MAX_MANIFEST_BYTES, `the manifest of ${which}`);
    const digest = isDigest(which) ? which : digestOf(bytes);
    if (hashFor(digest).update(bytes).digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
      throw systemError(`manifest verification failed for digest ${which}`, {
        hint: `${url.host} sent another document`,
      });
    }
    return { bytes, digest, contentType: answer.headers['content-type'] };
  }

  /** All tags, in the registry's order. */
  async tags(signal: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let url: URL | undefined = this.url('tags/list');
    for (let page = 0; url && page < MAX_PAGES; page++) {
      const answer: IncomingMessage = await this.#session.ask(url, { method: 'GET', signal });
      if (answer.statusCode !== 200) throw await registryError(answer, url, this.#reference, this.#action);
      const document = parseJson(
        await readBody(answer, MAX_MANIFEST_BYTES, 'the list of tags'),
        MAX_MANIFEST_BYTES,
        'list of tags',
      );
      if (Array.isArray(document.tags)) tags.push(...document.tags.filter(tag => typeof tag === 'string'));
      url = this.#nextPage(answer, url);
    }
    return tags;
  }

  /** Where a list goes on, at this registry. @see RFC 5988 */
  #nextPage(answer: IncomingMessage, url: URL): URL | undefined {
    const next = /<([^>]+)>;\s*rel="?next"?/.exec(String(answer.headers.link ?? ''))?.[1];
    const at = next !== undefined && URL.canParse(next, url.href) ? new URL(next, url) : undefined;
    return at?.host === this.endpoint.url.host ? at : undefined;
  }

  /**
   * What refers to a manifest; of one type where the registry can tell, unless that is empty. Undefined when it does not
   * know the question: what nothing refers to has an empty list.
   */
  async referrers(digest: Digest, artifactType: string, signal: AbortSignal): Promise<Descriptor[] | undefined> {
    const found: Descriptor[] = [];
    const filter = artifactType === '' ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
    let url: URL | undefined = this.url(`referrers/${digest}${filter}`);
    for (let page = 0; url && page < MAX_PAGES; page++) {
      const headers = { Accept: MediaType.ociIndex };
      const answer: IncomingMessage = await this.#session.ask(url, { method: 'GET', headers, signal });
      if ([400, 404, 405].includes(answer.statusCode ?? 0)) {
        answer.resume();
        return undefined;
      }
      if (answer.statusCode !== 200) throw await registryError(answer, url, this.#reference, this.#action);
      const bytes = await readBody(answer, MAX_MANIFEST_BYTES, `the list of what refers to ${digest}`);
      const document = parseImageDocument(bytes, MediaType.ociIndex);
      if (document.kind !== 'index') return undefined;
      found.push(...document.index.manifests);
      url = this.#nextPage(answer, url);
    }
    return found;
  }

  /** Tells whether the repository has a blob. */
  async hasBlob(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#session.ask(this.url(`blobs/${digest}`), { method: 'HEAD', signal });
    answer.resume();
    return answer.statusCode === 200;
  }

  /** The bytes of a blob from `from` on, as the registry sends them, once. @throws unavailable for a 5xx, ConnectionError */
  async *range(digest: Digest, from: number, signal: AbortSignal, trace?: Tracer): AsyncGenerator<Buffer> {
    const url = this.url(`blobs/${digest}`);
    const headers: Record<string, string> = from === 0 ? {} : { Range: `bytes=${from}-` };
    const answer = await this.#session.ask(url, { method: 'GET', headers, signal, trace }, false);
    const status = answer.statusCode ?? 0;
    if (status !== 200 && status !== 206) throw await registryError(answer, url, this.#reference);
    // Some answer a range with all of it, or with another range.
    const begins =
      status === 206 ? Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? from) : 0;
    if (begins > from) throw new ConnectionError('the answer begins behind what was asked for', 'EOF', undefined);
    let skip = from - begins;
    let askedMs = performance.now();
    for await (const part of answer) {
      trace?.('download', askedMs, performance.now());
      if (skip >= part.length) skip -= part.length;
      else yield skip === 0 ? part : part.subarray(skip);
      if (skip < part.length) skip = 0;
      askedMs = performance.now();
    }
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}

const MAX_PAGES = 1000;
const ACCEPT = { Accept: MANIFEST_TYPES.join(', ') };
