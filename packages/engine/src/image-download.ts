import { Readable } from 'node:stream';
import {
  forbidden,
  type GantryError,
  invalidParameter,
  messageOf,
  notFound,
  systemError,
  unauthorized,
} from '@gantry/errors';
import type { Progress } from './engine.ts';

/** What stands of an error's page in our message. */
const MAX_PAGE_BYTES = 4096;
/** Between two lines of progress. */
const REPORT_MS = 100;

/**
 * Opens what a URL names, as `docker import URL` does: without a scheme it is HTTP, redirects are followed.
 * @throws the kind that the server's status stands for, system when it cannot be reached, in dockerd's words
 */
export async function download(source: string, progress: Progress, signal: AbortSignal): Promise<Readable> {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? source : `http://${source}`;
  if (!URL.canParse(text)) throw invalidParameter(`parse ${JSON.stringify(text)}: invalid URL`);
  const { protocol } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw systemError(
      `Get ${JSON.stringify(text)}: unsupported protocol scheme ${JSON.stringify(protocol.slice(0, -1))}`,
    );
  }
  let answer: Response;
  try {
    answer = await fetch(text, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw systemError(`Get ${JSON.stringify(text)}: ${messageOf(cause)}`, {
      cause: error,
      hint: 'the engine fetches it, not the client: it must be reachable from there',
    });
  }
  if (answer.status >= 400 || !answer.body) throw await refused(text, answer);
  const total = Number(answer.headers.get('content-length') ?? 0);
  const body = Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]);
  progress({ status: `Downloading from ${text}` });
  return Readable.from(reported(body, total, progress), { objectMode: false });
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

async function refused(url: string, answer: Response): Promise<GantryError> {
  const page = (await answer.text().catch(() => '')).slice(0, MAX_PAGE_BYTES).trim();
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
