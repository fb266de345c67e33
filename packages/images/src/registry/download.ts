import { systemError } from '@gantry/errors';
import type { Download } from '../face.ts';
import type { RegistryOptions } from '../pull/endpoints.ts';
import { ConnectionError, HttpClient } from '../pull/http.ts';

/** A server that makes an archive as it goes may take its time. */
const SILENCE_MS = 300_000;

/**
 * Opens what a URL names, through the daemon's proxies. Redirects are followed, ten at most, but none from TLS to plain HTTP.
 * @throws system in Go's words when it cannot be reached
 */
export async function openDownload({ proxies }: RegistryOptions, url: URL, signal: AbortSignal): Promise<Download> {
  const http = new HttpClient({ verifyCertificates: true, userAgent: 'gantry/0.1.0', proxies });
  try {
    const answer = await http.send(url, { method: 'GET', signal, silenceMs: SILENCE_MS });
    answer.once('close', () => http[Symbol.dispose]());
    const { statusCode = 0, statusMessage = '', headers } = answer;
    return {
      status: statusCode,
      statusText: statusMessage,
      sizeBytes: Number(headers['content-length'] ?? 0),
      body: answer,
    };
  } catch (error) {
    http[Symbol.dispose]();
    if (!(error instanceof ConnectionError)) throw error;
    throw systemError(`Get ${JSON.stringify(url.href)}: ${error.message}`, {
      cause: error,
      hint: 'the engine fetches it, not the client: it must be reachable from there, or by the proxy of the daemon',
    });
  }
}
