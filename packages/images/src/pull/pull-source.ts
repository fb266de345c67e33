import { setTimeout as wait } from 'node:timers/promises';
import { cancelled, GantryError, isGantryError, messageOf, systemError } from '@gantry/errors';
import { type Descriptor, type Digest, familiarReference, hashFor, isDigest, type Reference } from '@gantry/oci';
import type { Credentials } from './authorization.ts';
import type { Endpoint } from './endpoints.ts';
import { ConnectionError } from './http.ts';
import { type FetchedManifest, RegistryClient } from './registry-client.ts';
import type { Tracer } from './trace.ts';

const ATTEMPTS = 5;

/**
 * One repository, wherever it can be had: each question goes to the first place that can answer it. A mirror that fails is
 * passed over for the rest of the transfer, and a blob that breaks off goes on where it broke, at the next place if need be.
 */
export class PullSource implements Disposable {
  readonly #clients: readonly RegistryClient[];
  readonly #reference: Reference;
  readonly #attempts: number;
  readonly #action: 'pull' | 'inspect';
  /** What was tried and failed, with the reason. */
  readonly #failed = new Map<RegistryClient, string>();

  constructor(
    endpoints: readonly Endpoint[],
    reference: Reference,
    credentials: Credentials,
    { action = 'pull', attempts = ATTEMPTS }: { readonly action?: 'pull' | 'inspect'; readonly attempts?: number } = {},
  ) {
    this.#clients = endpoints.map(endpoint => new RegistryClient(endpoint, reference, credentials, action));
    this.#reference = reference;
    this.#attempts = attempts;
    this.#action = action;
  }

  /** The host that answers now. */
  get host(): string {
    return this.#open(() => true)[0]?.endpoint.url.host ?? '';
  }

  /** The digest that a tag has now, undefined when nobody says; one that fails to answer is no error yet. */
  resolve(tag: string, signal: AbortSignal, trace?: Tracer): Promise<Digest | undefined> {
    return this.#first(
      client => client.endpoint.resolves,
      client => client.resolve(tag, signal, trace),
      signal,
      digest => digest !== undefined,
    );
  }

  manifest(which: string, signal: AbortSignal, trace?: Tracer): Promise<FetchedManifest> {
    const mayAnswer = (client: RegistryClient): boolean => isDigest(which) || client.endpoint.resolves;
    return this.#first(mayAnswer, client => client.manifest(which, signal, trace), signal);
  }

  tags(signal: AbortSignal): Promise<string[]> {
    return this.#first(
      client => client.endpoint.resolves,
      client => client.tags(signal),
      signal,
    );
  }

  /** What refers to a manifest; undefined when the registry has no API for that. */
  referrers(digest: Digest, artifactType: string, signal: AbortSignal): Promise<Descriptor[] | undefined> {
    return this.#first(
      client => client.endpoint.resolves,
      client => client.referrers(digest, artifactType, signal),
      signal,
    );
  }

  /** Tells whether the repository has a blob. */
  hasBlob({ digest }: Pick<Descriptor, 'digest'>, signal: AbortSignal): Promise<boolean> {
    return this.#first(
      () => true,
      client => client.hasBlob(digest, signal),
      signal,
    );
  }

  /** A small blob, checked against its descriptor. */
  async document({ digest, size }: Descriptor, maxBytes: number, signal: AbortSignal, trace?: Tracer): Promise<Buffer> {
    if (size > maxBytes) throw systemError(`the blob ${digest} has ${size} bytes, at most ${maxBytes} are allowed`);
    const parts: Buffer[] = [];
    for await (const part of this.blob({ digest, size }, { onRetry: () => {} }, signal, trace)) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (hashFor(digest).update(bytes).digest('hex') !== digest.slice(digest.indexOf(':') + 1)) {
      throw systemError(`image config verification failed for digest ${digest}`, {
        hint: `${this.host} sent another document`,
      });
    }
    return bytes;
  }

  /**
   * The bytes of a blob from `from` on, up to exactly `size`.
   * @param onRetry told how many seconds are waited before the next attempt
   */
  async *blob(
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    { onRetry, from = 0 }: { readonly onRetry: (seconds: number) => void; readonly from?: number },
    signal: AbortSignal,
    trace?: Tracer,
  ): AsyncGenerator<Buffer> {
    let done = from;
    if (done === size && size > 0) return;
    for (let attempt = 1; ; attempt++) {
      const before = done;
      const [client] = this.#open(() => true);
      if (!client) throw this.#nowhere();
      try {
        for await (const part of client.range(digest, done, signal, trace)) {
          done += part.length;
          if (done > size) throw systemError(`the blob ${digest} is longer than the ${size} bytes its manifest states`);
          yield part;
        }
        if (done === size) return;
        throw new ConnectionError('unexpected EOF', 'EOF', undefined);
      } catch (error) {
        if (signal.aborted) throw cancelled('the transfer was cancelled', { cause: error });
        if (done > before) attempt = 1;
        if (this.#passOver(client, error)) continue;
        if (!isTransient(error) || attempt >= this.#attempts)
          throw this.#explain(client, error, client.url(`blobs/${digest}`));
        // A first break is most often a connection that was closed in between.
        const seconds = attempt === 1 && done > before ? 1 : attempt * 5;
        for (let left = seconds; left > 0; left--) {
          onRetry(left);
          await wait(1000, undefined, { signal }).catch(() => {});
        }
      }
    }
  }

  /** Passes over the mirror that has answered so far, since what it sent was wrong. False when no mirror has. */
  distrust(): boolean {
    const [client] = this.#open(() => true);
    if (!client?.endpoint.isMirror || this.#clients.length - this.#failed.size < 2) return false;
    this.#failed.set(client, 'sent something else than was asked for');
    return true;
  }

  /** Those that may be asked; all of them again when each has failed. */
  #open(mayAnswer: (client: RegistryClient) => boolean): RegistryClient[] {
    const able = this.#clients.filter(mayAnswer);
    const left = able.filter(client => !this.#failed.has(client));
    return left.length > 0 ? left : able.slice(-1);
  }

  async #first<T>(
    mayAnswer: (client: RegistryClient) => boolean,
    ask: (client: RegistryClient) => Promise<T>,
    signal: AbortSignal,
    isAnswer: (answer: T) => boolean = () => true,
  ): Promise<T> {
    for (;;) {
      const [client, ...others] = this.#open(mayAnswer);
      if (!client) throw this.#nowhere();
      try {
        const answer = await ask(client);
        if (isAnswer(answer) || others.length === 0 || !client.endpoint.isMirror) return answer;
        this.#failed.set(client, 'does not have it');
      } catch (error) {
        if (signal.aborted || isGantryError(error, 'cancelled')) throw error;
        if (others.length === 0 || !this.#passOver(client, error)) throw this.#explain(client, error);
      }
    }
  }

  /** Goes on to the next place after a failure, if there is one that can help. */
  #passOver(client: RegistryClient, error: unknown): boolean {
    const others = this.#clients.filter(other => other !== client && !this.#failed.has(other));
    // After an answer of the registry itself nobody else is asked.
    if (others.length === 0 || !(error instanceof ConnectionError || client.endpoint.isMirror)) return false;
    this.#failed.set(client, messageOf(error));
    return true;
  }

  #nowhere(): GantryError {
    return systemError(`no endpoints found for ${familiarReference(this.#reference)}`, {
      hint: `no host of hosts.toml for ${this.#reference.domain} may be asked for this`,
    });
  }

  /** The error as dockerd words it; its hint names the registry, the reference, what to do, and what mirrors said. */
  #explain(client: RegistryClient, error: unknown, url = new URL(client.endpoint.url)): unknown {
    if (isGantryError(error, 'cancelled')) return error;
    const { host } = client.endpoint.url;
    const hints = [
      isGantryError(error) && error.hint !== undefined
        ? error.hint
        : error instanceof ConnectionError
          ? connectionHint(error, host)
          : `${host} was asked for ${familiarReference(this.#reference)}`,
      ...[...this.#failed]
        .filter(([other]) => other.endpoint.isMirror && other !== client)
        .map(([other, reason]) => `the mirror ${other.endpoint.url.host} failed too: ${reason}`),
    ];
    const hint = hints.join('; ');
    // To a 401 of the engine the official client asks for a password, and waits for ever where nobody is.
    const isRefused = isGantryError(error, 'unauthorized') && this.#action === 'pull';
    if (isGantryError(error))
      return new GantryError(isRefused ? 'system' : error.kind, error.message, { hint, cause: error });
    return systemError(`Get "${url.href}": ${messageOf(error)}`, { hint, cause: error });
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }
}

function isTransient(error: unknown): boolean {
  if (isGantryError(error)) return error.kind === 'unavailable';
  return true;
}

/** What to do when a registry cannot be talked to. */
export function connectionHint({ message }: ConnectionError, host: string): string {
  if (message.includes('certificate')) {
    return `put the authority's certificate into /etc/gantry/certs.d/${host}/ca.crt, or list ${host} in insecure-registries`;
  }
  if (message.includes('HTTP response to HTTPS client')) {
    return `${host} speaks plain HTTP: list it in insecure-registries of the daemon's configuration`;
  }
  if (message.includes('lookup')) return `check the name ${host}, and the DNS servers of this machine`;
  return `check that the registry ${host} can be reached from here`;
}
