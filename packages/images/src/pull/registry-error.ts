import type { IncomingMessage } from 'node:http';
import { forbidden, type GantryError, notFound, systemError, unauthorized, unavailable } from '@gantry/errors';
import { familiarName, familiarReference, parseJson, type Reference } from '@gantry/oci';
import { readBody } from './http.ts';

const MAX_ERROR_BODY = 64 * 1024;
const MAX_MESSAGE = 1000;

/**
 * Turns a registry's refusal into an error with dockerd's wording, which names the code, the registry's message, and
 * for what is not there the reference.
 * @see OCI distribution-spec, "Error Codes"
 */
export async function registryError(
  answer: IncomingMessage,
  url: URL,
  reference: Reference,
  action: 'pull' | 'push' | 'inspect' = 'pull',
  method = 'GET',
): Promise<GantryError> {
  const status = answer.statusCode ?? 0;
  const body = await readBody(answer, MAX_ERROR_BODY, 'the error').catch(() => Buffer.alloc(0));
  const { code, message } = firstError(body) ?? { code: fallbackCode(status), message: '' };
  const text = `${words(code)}: ${message === '' ? defaultMessage(code) : message}`;
  const name = familiarName(reference);
  if (action === 'push' && code !== '') {
    const hint = `log in to ${url.host} with an account that may push ${name}`;
    return systemError(text, code === 'DENIED' || code === 'UNAUTHORIZED' ? { hint } : {});
  }
  if (action === 'inspect') {
    if (code === 'MANIFEST_UNKNOWN' || code === 'NAME_UNKNOWN') return notFound(text);
    if (code === 'UNAUTHORIZED') return unauthorized(text, { hint: `log in to ${url.host} first` });
    if (code === 'DENIED') return forbidden(text);
  }
  switch (code) {
    case 'DENIED':
      return notFound(
        `pull access denied for ${name}, repository does not exist or may require 'docker login': ${text}`,
      );
    case 'MANIFEST_UNKNOWN':
      return notFound(`manifest for ${familiarReference(reference)} not found: ${text}`);
    case 'NAME_UNKNOWN':
      return notFound(`repository ${name} not found: ${text}`);
    case 'UNAUTHORIZED':
      return systemError(text, { hint: `log in to ${url.host} with an account that may pull ${name}` });
    case 'TOOMANYREQUESTS': {
      const after = answer.headers['retry-after'];
      return systemError(text, { hint: after === undefined ? 'try again later' : `try again after ${after} seconds` });
    }
    case '':
      return status >= 500
        ? unavailable(`received unexpected HTTP status: ${status} ${answer.statusMessage ?? ''}`.trim(), {
            hint: `asked ${url.href}`,
          })
        : systemError(
            `unexpected status from ${method} request to ${url.href}: ${status} ${answer.statusMessage ?? ''}`.trim(),
          );
    default:
      return systemError(text);
  }
}

function firstError(body: Buffer): { code: string; message: string } | undefined {
  try {
    const { errors } = parseJson(body, MAX_ERROR_BODY, 'error');
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    if (typeof first !== 'object' || first === null || !('code' in first) || typeof first.code !== 'string')
      return undefined;
    const message = 'message' in first && typeof first.message === 'string' ? first.message : '';
    return { code: first.code.slice(0, 64), message: message.slice(0, MAX_MESSAGE) };
  } catch {
    return undefined;
  }
}

function fallbackCode(status: number): string {
  if (status === 401) return 'UNAUTHORIZED';
  if (status === 403) return 'DENIED';
  if (status === 404) return 'MANIFEST_UNKNOWN';
  return status === 429 ? 'TOOMANYREQUESTS' : '';
}

const words = (code: string): string => code.replaceAll('_', ' ').toLowerCase();

function defaultMessage(code: string): string {
  switch (code) {
    case 'DENIED':
      return 'requested access to the resource is denied';
    case 'UNAUTHORIZED':
      return 'authentication required';
    case 'TOOMANYREQUESTS':
      return 'too many requests';
    default:
      return words(code);
  }
}
