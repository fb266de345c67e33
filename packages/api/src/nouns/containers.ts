import type { LogsOptions, WaitCondition } from '@gantry/engine';
import { GantryError, invalidParameter, isGantryError, messageOf, notImplemented } from '@gantry/errors';
import { updateConfig } from '../documents/host-config.ts';
import { readJson } from '../http/body.ts';
import { type Call, get, head, param, post, put, type Route, remove } from '../http/call.ts';
import { parseFilters, withFilter } from '../http/filters.ts';
import { multiplexedStream, rawStream } from '../http/hijack.ts';
import { atoi } from '../http/number.ts';
import { intOf, sizeOf, timestampOf } from '../http/query.ts';
import { sendEmpty, sendJson, sendStream, startStream } from '../http/reply.ts';
import { encodeJsonLine } from '../json/encode.ts';
import { inspectFor, summaryFor } from '../versions/container.ts';
import { attach, attachWebSocket } from './attach.ts';
import { create } from './container-create.ts';
import { changes, commit, exportContainer, getArchive, putArchive, statPath } from './container-files.ts';
import { stats } from './container-stats.ts';

export const containerRoutes: readonly Route[] = [
  get('/containers/{name*}/checkpoints', experimental),
  post('/containers/{name*}/checkpoints', experimental),
  remove('/containers/{name}/checkpoints/{checkpoint}', experimental),
  head('/containers/{name*}/archive', statPath),
  get('/containers/json', list),
  get('/containers/{name*}/export', exportContainer),
  get('/containers/{name*}/changes', changes),
  get('/containers/{name*}/json', inspect),
  get('/containers/{name*}/top', async call =>
    sendJson(call, 200, await call.engine.containers.top(name(call), call.query.get('ps_args'))),
  ),
  get('/containers/{name*}/logs', logs),
  get('/containers/{name*}/stats', stats),
  get('/containers/{name*}/attach/ws', attachWebSocket),
  get('/containers/{name*}/archive', getArchive),
  post('/containers/create', create),
  post('/containers/{name*}/kill', kill),
  post(
    '/containers/{name*}/pause',
    done(call => call.engine.containers.pause(name(call))),
  ),
  post(
    '/containers/{name*}/unpause',
    done(call => call.engine.containers.unpause(name(call))),
  ),
  post(
    '/containers/{name*}/restart',
    done(call => call.engine.containers.restart(name(call), stopOptions(call))),
  ),
  post('/containers/{name*}/start', start),
  post(
    '/containers/{name*}/stop',
    done(call => call.engine.containers.stop(name(call), stopOptions(call))),
  ),
  post('/containers/{name*}/wait', wait),
  post('/containers/{name*}/resize', resize),
  post('/containers/{name*}/attach', attach),
  post('/containers/{name*}/rename', done(rename)),
  post('/containers/{name*}/update', update),
  post('/containers/prune', async call =>
    sendJson(call, 200, await call.engine.containers.prune(parseFilters(call.query.get('filters')))),
  ),
  post('/commit', commit),
  put('/containers/{name*}/archive', putArchive),
  remove(
    '/containers/{name*}',
    done(({ engine, params, query }) =>
      engine.containers.remove(params.name ?? '', {
        force: query.bool('force'),
        volumes: query.bool('v'),
        link: query.bool('link'),
      }),
    ),
  ),
];

const name = (call: Call): string => param(call, 'name');

function done(work: (call: Call) => Promise<void>): (call: Call) => Promise<void> {
  return async call => {
    await work(call);
    sendEmpty(call, 204);
  };
}

function experimental(): void {
  throw notImplemented(
    'This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.',
  );
}

async function list(call: Call): Promise<void> {
  const { query } = call;
  let filters = parseFilters(query.get('filters'));
  for (const key of ['since', 'before']) {
    if (query.get(key) !== '') filters = withFilter(filters, key, query.get(key));
  }
  const summaries = await call.engine.containers.list({
    all: query.bool('all'),
    limit: intOf(query, 'limit') ?? 0,
    size: query.bool('size'),
    filters,
  });
  sendJson(
    call,
    200,
    summaries.map(summary => summaryFor(call.version, summary)),
  );
}

async function inspect(call: Call): Promise<void> {
  const container = await call.engine.containers.inspect(name(call), { size: call.query.bool('size') });
  sendJson(call, 200, inspectFor(call.version, container));
}

async function logs(call: Call): Promise<void> {
  const { query } = call;
  const options: LogsOptions = {
    stdout: query.bool('stdout'),
    stderr: query.bool('stderr'),
    follow: query.bool('follow'),
    sinceNs: timestampOf(query, 'since') ?? 0n,
    untilNs: timestampOf(query, 'until') ?? 0n,
    timestamps: query.bool('timestamps'),
    details: query.bool('details'),
    tail: tailOf(query.get('tail')),
  };
  if (!options.stdout && !options.stderr) {
    throw invalidParameter('Bad parameters: you must choose at least one stream');
  }
  const { tty, body } = await call.engine.containers.logs(name(call), options, call.signal);
  await sendStream(call, body, !tty && call.version >= 42 ? multiplexedStream : rawStream);
}

/** What is no number, and what is negative, means all lines. */
function tailOf(text: string): number | undefined {
  try {
    const lines = atoi(text);
    return lines < 0 ? undefined : lines;
  } catch {
    return undefined;
  }
}

async function start(call: Call): Promise<void> {
  const { headers } = call.request;
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 7) {
    throw invalidParameter(
      'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
    );
  }
  if (call.query.get('checkpoint') !== '') throw invalidParameter('checkpoint is only supported in experimental mode');
  if (call.query.bool('explain')) return sendJson(call, 200, await call.engine.containers.explainStart(name(call)));
  await call.engine.containers.start(name(call));
  sendEmpty(call, 204);
}

function stopOptions(call: Call): { timeoutSeconds?: number; signal?: string } {
  const signal = call.version >= 42 ? call.query.get('signal') : '';
  return { timeoutSeconds: intOf(call.query, 't'), signal: signal === '' ? undefined : signal };
}

async function kill(call: Call): Promise<void> {
  const signal = call.query.get('signal');
  try {
    await call.engine.containers.kill(name(call), signal === '' ? undefined : signal);
  } catch (error) {
    const prefix = `cannot kill container: ${name(call)}: `;
    const message = messageOf(error);
    throw new GantryError(
      isGantryError(error) ? error.kind : 'system',
      message.startsWith(prefix) ? message : prefix + message,
      { cause: error, hint: isGantryError(error) ? error.hint : undefined },
    );
  }
  sendEmpty(call, 204);
}

function rename(call: Call): Promise<void> {
  return call.engine.containers.rename(name(call), call.query.get('name'));
}

async function update(call: Call): Promise<void> {
  const changes = (await readJson(call, updateConfig)) as Parameters<typeof call.engine.containers.update>[1];
  if (call.version < 40) changes.PidsLimit = null;
  // 0, -1 and every other negative number mean no limit.
  if (typeof changes.PidsLimit === 'number' && changes.PidsLimit <= 0) changes.PidsLimit = 0;
  const { Warnings } = await call.engine.containers.update(name(call), changes);
  sendJson(call, 200, { Warnings: Warnings.length === 0 ? null : Warnings });
}

async function resize(call: Call): Promise<void> {
  await call.engine.containers.resize(name(call), sizeOf(call.query));
  sendEmpty(call, 200);
}

async function wait(call: Call): Promise<void> {
  const { version, response } = call;
  const condition = version < 30 ? 'not-running' : conditionOf(call.query.get('condition'));
  const { done: ended } = await call.engine.containers.wait(name(call), condition, call.signal);
  // The answer's head is sent before the container ends; older clients do not expect it.
  if (version >= 30) startStream(call, 'application/json');
  try {
    const status = await ended;
    if (condition === 'removed' && version < 34 && status.Error) response.end();
    else if (version >= 30) response.end(encodeJsonLine(status));
    else sendJson(call, 200, status);
  } catch (error) {
    if (call.signal.aborted) response.destroy();
    else throw error;
  }
}

function conditionOf(text: string): WaitCondition {
  switch (text) {
    case '':
      return 'not-running';
    case 'not-running':
    case 'next-exit':
    case 'removed':
      return text;
    default:
      throw invalidParameter(`invalid condition: ${JSON.stringify(text)}`);
  }
}
