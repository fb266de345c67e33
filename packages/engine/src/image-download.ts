import { Readable } from 'node:stream';
import { forbidden, type GantryError, invalidParameter, notFound, systemError, unauthorized } from '@gantry/errors';
import type { Download, Registries } from '@gantry/images';
import type { Progress } from './engine.ts';

/** What stands of an error's page in our message. */
const MAX_PAGE_BYTES = 4096;
/** Between two lines of progress. */
const REPORT_MS = 100;

/**
 * Opens what a URL names, as `docker import URL` does: without a scheme it is HTTP, redirects are followed.
 * @throws the kind that the server's status stands for, system when it cannot be reached, in dockerd's words
 */
export async function download(
  registries: Registries,
  source: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<Readable> {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? source : `http://${source}`;
  if (!URL.canParse(text)) throw invalidParameter(`parse ${JSON.stringify(text)}: invalid URL`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw systemError(
      `Get ${JSON.stringify(text)}: unsupported protocol scheme ${JSON.stringify(url.protocol.slice(0, -1))}`,
    );
  }
  const answer = await registries.download(url, signal);
  if (answer.status >= 400) throw await refused(text, answer);
  progress({ status: `Downloading from ${text}` });
  return Readable.from(reported(answer.body, answer.sizeBytes, progress), { objectMode: false });
}

async function* reported(body: Readable, total: number, progress: Progress): AsyncGenerator<Buffer> {
  let current = 0;
  let lastMs = 0;
  for await (const piece of body) {
    const bytes = Buffer.from(piece as Uint8Array);
    current += bytes.length;
    if (Date.now() - lastMs >= REPORT_MS || current === total) {
      progress({ status: 'Importing', progressDetail: { current, ...(total > 0 ? { total } : {}) } });
      lastMs = Date.now();
    }
    yield bytes;
  }
}

async function refused(url: string, answer: Download): Promise<GantryError> {
  const page = await beginningOf(answer.body);
  const words = `failed to GET ${url} with status ${answer.status} ${answer.statusText}: ${page}`;
  switch (answer.status) {
    case 400:
      return invalidParameter(words);
    case 401:
      return unauthorized(words);
    case 403:
      return forbidden(words);
    case 404:
      return notFound(words);
    default:
      return systemError(words);
  }
}

async function beginningOf(body: Readable): Promise<string> {
  let page = '';
  try {
    for await (const piece of body) {
      page += String(piece);
      if (page.length >= MAX_PAGE_BYTES) break;
    }
  } catch {
    // What came before it broke will do.
  }
  return page.slice(0, MAX_PAGE_BYTES).trim();
}
