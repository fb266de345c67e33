import { isGantryError, systemError } from '@gantry/errors';
import { readCredentials } from '../pull/authorization.ts';
import { findEndpoints, type RegistryOptions } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import { connectionHint } from '../pull/pull-source.ts';
import { RegistrySession } from '../pull/registry-session.ts';

/** The host of the registry whose address a client sends: a host, a URL, or nothing for Docker Hub. */
export function loginHost(address: string): string {
  if (address === '') return 'docker.io';
  const text = /^https?:\/\//.test(address) ? address : `https://${address}`;
  if (!URL.canParse(text)) throw systemError(`unable to parse server address: parse "${text}": invalid URL`);
  const host = /^https?:\/\/([^/]*)/.exec(text)?.[1] ?? '';
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

/**
 * Asks a registry whether it takes these credentials. Returns the identity token that a token server gives instead of
 * the password, else an empty text.
 * @throws unauthorized, system `login attempt to URL failed with status: 401 Unauthorized`
 */
export async function login(registries: RegistryOptions, authorization: unknown, signal: AbortSignal): Promise<string> {
  const given = typeof authorization === 'object' && authorization !== null ? authorization : {};
  const address = 'serveraddress' in given && typeof given.serveraddress === 'string' ? given.serveraddress : '';
  const endpoints = (
    await findEndpoints({ domain: loginHost(address) }, { ...registries, mirrors: [] }, 'push')
  ).filter(({ isMirror }) => !isMirror);
  for (const [i, endpoint] of endpoints.entries()) {
    using session = new RegistrySession(endpoint, readCredentials(authorization), [], {
      keepLogin: true,
    });
    const url = session.url('');
    try {
      const answer = await session.ask(url, { method: 'GET', signal });
      answer.resume();
      const { statusCode = 0, statusMessage = '' } = answer;
      if (statusCode === 200) return session.identityToken;
      const hint = 'check the user name and the password';
      throw systemError(`login attempt to ${url.href} failed with status: ${statusCode} ${statusMessage}`.trim(), {
        hint,
      });
    } catch (error) {
      const isLast = i === endpoints.length - 1;
      if (!(error instanceof ConnectionError)) {
        // A web server that speaks TLS but is no registry leaves plain HTTP to be tried.
        if (isLast || isGantryError(error)) throw error;
        continue;
      }
      if (!isLast && !signal.aborted) continue;
      const hint = connectionHint(error, url.host);
      throw systemError(`Get "${url.href}": ${error.message}`, { cause: error, hint });
    }
  }
  throw systemError(`no endpoints found for ${address}`);
}
