import { systemError, unauthorized } from '@gantry/errors';
import { parseJson } from '@gantry/oci';
import { type HttpClient, readBody } from './http.ts';
import { patiently } from './patience.ts';
import type { Tracer } from './trace.ts';

/** What a client sends as X-Registry-Auth, decoded. */
export type Credentials = {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
};

/** Reads the decoded header; anything unusable is no credentials. */
export function readCredentials(value: unknown): Credentials {
  if (typeof value !== 'object' || value === null) return {};
  const { username, password, auth, identitytoken, registrytoken } = value as Record<string, unknown>;
  const text = (item: unknown): string | undefined => (typeof item === 'string' && item !== '' ? item : undefined);
  const packed = text(auth);
  const [packedName, packedPassword] =
    packed === undefined ? [] : splitOnce(Buffer.from(packed, 'base64').toString(), ':');
  return {
    username: text(username) ?? packedName,
    password: text(password) ?? packedPassword,
    identityToken: text(identitytoken),
    registryToken: text(registrytoken),
  };
}

function splitOnce(value: string, separator: string): [string, string] | [] {
  const at = value.indexOf(separator);
  return at < 0 ? [] : [value.slice(0, at), value.slice(at + 1)];
}

export type Challenge = { readonly scheme: string; readonly parameters: ReadonlyMap<string, string> };

/** Reads a WWW-Authenticate header. @see RFC 9110, section 11.6.1 */
export function readChallenges(header: string | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const token = /\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;
  const text = (header ?? '').slice(0, 8192);
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (!match) break;
    const [, name = '', quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
    else challenges.at(-1)?.parameters.set(name.toLowerCase(), value);
  }
  return challenges;
}

const MAX_TOKEN_ANSWER = 1024 * 1024;

/** Answers the challenges of one registry for one repository, and keeps the answer while it holds. */
export class Authorizer {
  readonly #http: HttpClient;
  readonly #credentials: Credentials;
  readonly #scopes: readonly string[];
  readonly #keepLogin: boolean;
  /** The token server's refresh token, when one was asked for and given. */
  identityToken = '';
  #header: string | undefined;
  /** The token server that has given the token: it is asked again when the token expires. */
  #bearer: Challenge | undefined;
  /** Layers that meet an expired token at the same time wait for one new one. */
  #fetching: Promise<void> | undefined;
  #validUntilMs = Number.POSITIVE_INFINITY;

  /** @param scopes what a token is asked for; none for a mere login */
  constructor(http: HttpClient, credentials: Credentials, scopes: readonly string[], keepLogin = false) {
    this.#http = http;
    this.#credentials = credentials;
    this.#scopes = scopes;
    this.#keepLogin = keepLogin;
    if (credentials.registryToken !== undefined) this.#header = `Bearer ${credentials.registryToken}`;
  }

  /** The Authorization header to send, undefined before the first challenge and when a token has expired. */
  get header(): string | undefined {
    return Date.now() < this.#validUntilMs ? this.#header : undefined;
  }

  /**
   * Gets a new header for a 401 answer to `refused`. Returns false when the registry asks for nothing that we have.
   * @throws unauthorized when the token server refuses the credentials
   */
  async answer(
    challenges: readonly Challenge[],
    refused: string | undefined,
    signal: AbortSignal,
    trace?: Tracer,
  ): Promise<boolean> {
    const bearer = challenges.find(challenge => challenge.scheme === 'bearer');
    const { username, password } = this.#credentials;
    if (bearer) {
      // Somebody else has got a new one meanwhile.
      if (refused !== undefined && this.header !== undefined && this.header !== refused) return true;
      await this.#newToken(bearer, signal, trace);
      return true;
    }
    if (!challenges.some(challenge => challenge.scheme === 'basic') || username === undefined) return false;
    const header = basic(username, password ?? '');
    const isNew = this.#header !== header;
    this.#header = header;
    return isNew;
  }

  /** Gets a new token when the last one has expired, so that no request is sent for nothing. */
  async renew(signal: AbortSignal, trace?: Tracer): Promise<void> {
    if (this.#bearer && Date.now() >= this.#validUntilMs) await this.#newToken(this.#bearer, signal, trace);
  }

  async #newToken(bearer: Challenge, signal: AbortSignal, trace: Tracer | undefined): Promise<void> {
    const startMs = performance.now();
    this.#fetching ??= this.#fetchToken(bearer, signal).finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
    this.#bearer = bearer;
    trace?.('token', startMs, performance.now());
  }

  async #fetchToken({ parameters }: Challenge, signal: AbortSignal): Promise<void> {
    const realm = parameters.get('realm');
    if (realm === undefined || !URL.canParse(realm)) throw systemError('the registry names no token server (realm)');
    const url = new URL(realm);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw systemError(`unsupported token server ${url.protocol}`);
    const service = parameters.get('service');
    const { username, password, identityToken } = this.#credentials;
    const headers: Record<string, string> = {};
    let body: string | undefined;
    if (identityToken !== undefined) {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: identityToken,
        client_id: 'docker',
        scope: this.#scopes.join(' '),
      });
      if (service !== undefined) form.set('service', service);
      headers['Content-Type'] = 'application/x-www-form-urlencoded';
      body = form.toString();
    } else {
      if (service !== undefined) url.searchParams.set('service', service);
      for (const scope of this.#scopes) url.searchParams.append('scope', scope);
      if (this.#keepLogin) {
        url.searchParams.set('offline_token', 'true');
        url.searchParams.set('client_id', 'docker');
      }
      if (username !== undefined) {
        url.searchParams.set('account', username);
        headers.Authorization = basic(username, password ?? '');
      }
    }
    const method = body === undefined ? 'GET' : 'POST';
    const request = { method, headers, signal, ...(body === undefined ? {} : { body }) } as const;
    const answer = await patiently(() => this.#http.send(url, request), signal);
    const bytes = await readBody(answer, MAX_TOKEN_ANSWER, 'the answer of the token server');
    const status = answer.statusCode ?? 0;
    if (status === 401 || status === 403) {
      const isAnonymous = username === undefined && identityToken === undefined;
      throw unauthorized(
        `unauthorized: ${isAnonymous ? 'authentication required' : 'incorrect username or password'}`,
        { hint: `log in to the registry${isAnonymous ? '' : ' again'}: its token server ${url.host} says so` },
      );
    }
    if (status >= 300)
      throw systemError(`the token server ${url.host} answered ${status} ${answer.statusMessage ?? ''}`.trim());
    const answered = parseJson(bytes, MAX_TOKEN_ANSWER, 'token');
    const { token, access_token: accessToken, expires_in: expiresIn, refresh_token: refreshToken } = answered;
    if (this.#keepLogin && typeof refreshToken === 'string') this.identityToken = refreshToken;
    const text = typeof token === 'string' && token !== '' ? token : accessToken;
    if (typeof text !== 'string' || text === '')
      throw systemError('authorization server did not include a token in the response');
    this.#header = `Bearer ${text}`;
    // Renewed a little early, so that none expires on its way.
    const seconds = typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn : 60;
    this.#validUntilMs = Date.now() + Math.max(seconds - 5, 1) * 1000;
  }
}

const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
