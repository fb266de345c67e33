import type { IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { cancelled, isGantryError, messageOf, systemError } from '@gantry/errors';
import {
  type Descriptor,
  type Digest,
  digestOf,
  hashFor,
  isDigest,
  MANIFEST_TYPES,
  MAX_MANIFEST_BYTES,
  type Reference,
  withDigest,
} from '@gantry/oci';
import type { Credentials } from './authorization.ts';
import type { Endpoint } from './endpoints.ts';
import { ConnectionError, type HttpRequest, readBody } from './http.ts';
import { registryError } from './registry-error.ts';
import { RegistrySession } from './registry-session.ts';

export type FetchedManifest = {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly contentType: string | undefined;
};

const ATTEMPTS = 5;

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

  #url(rest: string): URL {
    return new URL(`v2/${this.#reference.path}/${rest}`, this.endpoint.url);
  }

  /** The digest that a tag has now, undefined when the registry does not say; costs less than the manifest. */
  async resolve(tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    const answer = await this.#ask(this.#url(`manifests/${tag}`), { method: 'HEAD', headers: ACCEPT, signal });
    answer.resume();
    const digest = answer.headers['docker-content-digest'];
    return answer.statusCode === 200 && isDigest(digest) ? digest : undefined;
  }

  /** A manifest or index by tag or digest; one asked for by digest has that digest. */
  async manifest(which: string, signal: AbortSignal): Promise<FetchedManifest> {
    const url = this.#url(`manifests/${which}`);
    const answer = await this.#ask(url, { method: 'GET', headers: ACCEPT, signal });
    const asked = isDigest(which) ? withDigest(this.#reference, which) : this.#reference;
    if (answer.statusCode !== 200) throw await registryError(answer, url, asked, this.#action);
    const bytes = await readBody(answer, MAX_MANIFEST_BYTES, `the manifest of ${which}`);
    const digest = isDigest(which) ? which : digestOf(bytes);
    if (hashFor(digest).update(bytes).digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
      throw systemError(`manifest verification failed for digest ${which}`, {
        hint: `${url.host} sent another document`,
      });
    }
    return { bytes, digest, contentType: answer.headers['content-type'] };
  }

  /** Tells whether the repository has a blob. */
  async hasBlob(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#ask(this.#url(`blobs/${digest}`), { method: 'HEAD', signal });
    answer.resume();
    return answer.statusCode === 200;
  }

  /** A small blob, checked against its descriptor. */
  async document({ digest, size }: Descriptor, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    if (size > maxBytes) throw systemError(`the blob ${digest} has ${size} bytes, at most ${maxBytes} are allowed`);
    const parts: Buffer[] = [];
    for await (const part of this.blob({ digest, size }, { onRetry: () => {} }, signal)) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (hashFor(digest).update(bytes).digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
      throw systemError(`image config verification failed for digest ${digest}`);
    }
    return bytes;
  }

  /**
   * The bytes of a blob, exactly `size` of them. A connection that breaks is taken up again where it broke.
   * @param onRetry told how many seconds are waited before the next attempt
   */
  async *blob(
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    { onRetry }: { readonly onRetry: (seconds: number) => void },
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const url = this.#url(`blobs/${digest}`);
    let done = 0;
    for (let attempt = 1; ; attempt++) {
      const before = done;
      try {
        for await (const part of this.#range(url, done, signal)) {
          done += part.length;
          if (done > size) throw systemError(`the blob ${digest} is longer than the ${size} bytes its manifest states`);
          yield part;
        }
        if (done === size) return;
        throw new ConnectionError('unexpected EOF', 'EOF', undefined);
      } catch (error) {
        if (signal.aborted) throw cancelled('the transfer was cancelled', { cause: error });
        if (done > before) attempt = 1;
        if (!isTransient(error) || attempt >= ATTEMPTS) {
          throw isGantryError(error) ? error : systemError(`Get "${url.href}": ${messageOf(error)}`, { cause: error });
        }
        // A first break is most often a connection that was closed in between.
        const seconds = attempt === 1 && done > before ? 1 : attempt * 5;
        for (let left = seconds; left > 0; left--) {
          onRetry(left);
          await wait(1000, undefined, { signal }).catch(() => {});
        }
      }
    }
  }

  async *#range(url: URL, from: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    const headers: Record<string, string> = from === 0 ? {} : { Range: `bytes=${from}-` };
    const answer = await this.#ask(url, { method: 'GET', headers, signal });
    const status = answer.statusCode ?? 0;
    if (status !== 200 && status !== 206) throw await registryError(answer, url, this.#reference);
    let skip = status === 206 ? 0 : from;
    for await (const part of answer) {
      if (skip >= part.length) skip -= part.length;
      else yield skip === 0 ? part : part.subarray(skip);
      if (skip < part.length) skip = 0;
    }
  }

  #ask(url: URL, request: HttpRequest): Promise<IncomingMessage> {
    return this.#session.ask(url, request);
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}

const ACCEPT = { Accept: MANIFEST_TYPES.join(', ') };

function isTransient(error: unknown): boolean {
  if (isGantryError(error)) return error.kind === 'unavailable';
  return true;
}
