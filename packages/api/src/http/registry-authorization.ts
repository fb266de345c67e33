import type { Call } from './call.ts';

/** The decoded X-Registry-Auth header; one that cannot be read counts as none, as in dockerd. */
export function registryAuthorization(call: Call): unknown {
  const header = call.request.headers['x-registry-auth'];
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    return JSON.parse(Buffer.from(header, 'base64url').toString());
  } catch {
    return undefined;
  }
}
