import type { IncomingMessage } from 'node:http';
import { systemError } from '@gantry/errors';
import { Authorizer, type Credentials, readChallenges } from './authorization.ts';
import type { Endpoint } from './endpoints.ts';
import { HttpClient, type HttpRequest } from './http.ts';
import { patiently } from './patience.ts';

const USER_AGENT = 'gantry/0.1.0';

/** Connections to one endpoint, with the authorization that it asks for. */
export class RegistrySession implements Disposable {
  readonly endpoint: Endpoint;
  readonly #http: HttpClient;
  readonly #authorizer: Authorizer;

  /**
   * @param scopes what tokens are asked for, as `repository:NAME:pull`
   * @param keepLogin asks the token server for an identity token too
   */
  constructor(
    endpoint: Endpoint,
    credentials: Credentials,
    scopes: readonly string[],
    { keepLogin = false }: { readonly keepLogin?: boolean } = {},
  ) {
    this.endpoint = endpoint;
    this.#http = new HttpClient({
      verifyCertificates: endpoint.verifyCertificates,
      userAgent: USER_AGENT,
      tls: endpoint.tls,
      proxies: endpoint.proxies,
      connectTimeoutMs: endpoint.connectTimeoutMs,
      host: endpoint.url.host,
      headers: endpoint.headers,
    });
    // What a user typed for a registry is not for its mirrors.
    this.#authorizer = new Authorizer(this.#http, endpoint.isMirror ? {} : credentials, scopes, keepLogin);
  }

  /** What a token server gave to log in with from now on; empty when it gave nothing. */
  get identityToken(): string {
    return this.#authorizer.identityToken;
  }

  /** A URL below the API's root, as `NAME/blobs/DIGEST`; the root itself when empty. */
  url(path: string): URL {
    return new URL(path, this.endpoint.url);
  }

  /**
   * Sends a request with what authorization there is, and once more when the registry asks for another, or for some
   * patience. A body that is a stream can be sent once only, so for it the authorization must stand already.
   * @param isPatient false where the caller has its own way to try again after a 5xx
   * @throws ConnectionError, cancelled, system `no basic auth credentials`
   */
  async ask(url: URL, request: HttpRequest, isPatient = true): Promise<IncomingMessage> {
    const once = typeof request.body === 'object' && Symbol.asyncIterator in request.body;
    const { signal, trace } = request;
    // Credentials are for the registry's own host: an upload may go on elsewhere.
    const isOwn = url.host === this.endpoint.url.host;
    if (isOwn) await this.#authorizer.renew(signal, trace);
    for (let round = 0; ; round++) {
      const header = isOwn ? this.#authorizer.header : undefined;
      const headers = { ...request.headers, ...(header === undefined ? {} : { Authorization: header }) };
      const send = (): Promise<IncomingMessage> => this.#http.send(url, { ...request, headers });
      const answer = await (once || !isPatient ? send() : patiently(send, signal));
      if (answer.statusCode !== 401 || round >= 2 || once) return answer;
      const challenges = readChallenges(answer.headers['www-authenticate']);
      if (!challenges.some(({ scheme }) => scheme === 'bearer' || scheme === 'basic')) return answer;
      if (header !== undefined && round > 0) return answer;
      const isBasicAgain = header?.startsWith('Basic ') ?? false;
      if (!(await this.#authorizer.answer(challenges, header, signal, trace))) {
        // The credentials were given, and refused.
        if (isBasicAgain) return answer;
        answer.resume();
        const verb = `${request.method.charAt(0)}${request.method.slice(1).toLowerCase()}`;
        throw systemError(`${verb} "${url.href}": no basic auth credentials`, { hint: `log in to ${url.host} first` });
      }
      answer.resume();
    }
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}
