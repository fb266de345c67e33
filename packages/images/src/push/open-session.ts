import { systemError } from '@gantry/errors';
import { familiarReference, type Reference } from '@gantry/oci';
import type { readCredentials } from '../pull/authorization.ts';
import type { Endpoint } from '../pull/endpoints.ts';
import { ConnectionError } from '../pull/http.ts';
import { RegistrySession } from '../pull/registry-session.ts';
import { PushClient } from './push-client.ts';

/**
 * Opens the first endpoint of a registry that answers, with the right to push and to mount from the repositories `sources`.
 * @param explained what is thrown for an endpoint that refused, or the last one that could not be reached
 */
export async function openPushSession(
  endpoints: readonly Endpoint[],
  reference: Reference,
  options: {
    readonly sources: Iterable<string>;
    readonly credentials: ReturnType<typeof readCredentials>;
    readonly signal: AbortSignal;
  },
  explained: (session: RegistrySession, error: unknown) => unknown,
): Promise<RegistrySession> {
  const { credentials, signal } = options;
  // A mount needs the right to read where it comes from.
  const scopes = [
    `repository:${reference.path}:pull,push`,
    ...[...new Set(options.sources)].map(path => `repository:${path}:pull`),
  ];
  for (const [i, endpoint] of endpoints.entries()) {
    const session = new RegistrySession(endpoint, credentials, scopes);
    try {
      await new PushClient(session, reference, signal).ping();
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      if (error instanceof ConnectionError && i < endpoints.length - 1 && !signal.aborted) continue;
      throw explained(session, error);
    }
  }
  throw systemError(`no endpoints found for ${familiarReference(reference)}`);
}
