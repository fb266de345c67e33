import { systemError } from '@gantry/errors';
import { parseJson } from '@gantry/oci';
import type { SearchResult } from '../face.ts';
import { readCredentials } from '../pull/authorization.ts';
import { type Endpoint, findEndpoints, type RegistryOptions } from '../pull/endpoints.ts';
import { ConnectionError, HttpClient, readBody } from '../pull/http.ts';

const MAX_ANSWER = 4 * 1024 * 1024;
const INDEX = 'https://index.docker.io/';

/** Asks the index that a term names, Docker Hub's when it names none. @see Docker's registry API, version 1, "Search" */
export async function searchImages(
  registries: RegistryOptions,
  term: string,
  limit: number,
  authorization: unknown,
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const { index, words } = splitTerm(term);
  const endpoints: Endpoint[] =
    index === undefined
      ? [
          {
            url: new URL(`${INDEX}v2/`),
            verifyCertificates: true,
            isMirror: false,
            resolves: true,
            proxies: registries.proxies,
          },
        ]
      : (await findEndpoints({ domain: index }, { ...registries, mirrors: [] }, 'push')).filter(
          ({ isMirror }) => !isMirror,
        );
  for (const [i, endpoint] of endpoints.entries()) {
    const url = new URL(`../v1/search?q=${encodeURIComponent(words)}&n=${limit}`, endpoint.url);
    const { verifyCertificates, tls, proxies } = endpoint;
    using http = new HttpClient({ verifyCertificates, tls, proxies, userAgent: 'gantry/0.1.0' });
    try {
      return await ask(http, url, authorization, signal);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      if (i < endpoints.length - 1 && !signal.aborted) continue;
      const hint = 'searching needs an index (Docker Hub) in reach; pull works with any registry';
      throw systemError(`Get "${url.href}": ${error.message}`, { cause: error, hint });
    }
  }
  return [];
}

/** The index is what stands before the first slash, if it looks like a host. */
function splitTerm(term: string): { index: string | undefined; words: string } {
  const slash = term.indexOf('/');
  const first = term.slice(0, Math.max(slash, 0));
  if (first !== 'localhost' && !/[.:]/.test(first)) return { index: undefined, words: term };
  const words = term.slice(slash + 1);
  return first === 'docker.io' || first === 'index.docker.io' ? { index: undefined, words } : { index: first, words };
}

async function ask(http: HttpClient, url: URL, authorization: unknown, signal: AbortSignal): Promise<SearchResult[]> {
  const { username, password = '' } = readCredentials(authorization);
  const basic = username === undefined ? undefined : Buffer.from(`${username}:${password}`).toString('base64');
  const headers: Record<string, string> = basic === undefined ? {} : { Authorization: `Basic ${basic}` };
  const answer = await http.send(url, { method: 'GET', headers, signal });
  if (answer.statusCode !== 200) {
    answer.resume();
    throw systemError(`Unexpected status code ${answer.statusCode}`, { hint: `asked ${url.href}` });
  }
  const { results } = parseJson(await readBody(answer, MAX_ANSWER, 'the search result'), MAX_ANSWER, 'search result');
  return (Array.isArray(results) ? results : []).flatMap(readResult);
}

function readResult(value: unknown): SearchResult[] {
  if (typeof value !== 'object' || value === null) return [];
  const {
    name,
    description,
    star_count: stars,
    is_official: official,
    is_automated: automated,
  } = value as Record<string, unknown>;
  if (typeof name !== 'string') return [];
  return [
    {
      star_count: typeof stars === 'number' ? stars : 0,
      is_official: official === true,
      name,
      is_automated: automated === true,
      description: typeof description === 'string' ? description : '',
    },
  ];
}
