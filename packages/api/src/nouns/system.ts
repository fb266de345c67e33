import { invalidParameter, systemError } from '@gantry/errors';
import { readJson } from '../http/body.ts';
import { type Call, get, head, options, post, type Route } from '../http/call.ts';
import { parseFilters } from '../http/filters.ts';
import { sendEmpty, sendJson, writeHead } from '../http/reply.ts';
import { any } from '../json/schema.ts';
import { diskUsageFor, infoFor } from '../versions/system.ts';

const diskUsageTypes = ['container', 'image', 'volume', 'build-cache'];

export const systemRoutes: readonly Route[] = [
  options('/{any*}', call => sendEmpty(call, 200)),
  get('/_ping', ping),
  head('/_ping', ping),
  get('/info', async call => sendJson(call, 200, infoFor(call.version, await call.engine.system.info()))),
  get('/version', async call => sendJson(call, 200, await call.engine.system.version())),
  get('/system/df', diskUsage),
  post('/auth', auth),
  get('/gantry/jobs', async call =>
    sendJson(call, 200, await call.engine.system.jobs(parseFilters(call.query.get('filters')))),
  ),
];

async function ping(call: Call): Promise<void> {
  const body = call.request.method === 'HEAD' ? '' : 'OK';
  const { Version } = await call.engine.system.version();
  writeHead(call.response, 200, [
    ['Builder-Version', '2'],
    ['Cache-Control', 'no-cache, no-store, must-revalidate'],
    ['Pragma', 'no-cache'],
    ['Swarm', 'inactive'],
    ['Content-Length', String(body.length)],
    ['Content-Type', 'text/plain; charset=utf-8'],
    // Our own: a newer command line says when its engine is older.
    ['Gantry-Version', String(Version)],
  ]);
  call.response.end(body);
}

async function diskUsage(call: Call): Promise<void> {
  const asked = call.version >= 42 && call.query.has('type') ? call.query.all('type') : diskUsageTypes;
  for (const type of asked) {
    if (!diskUsageTypes.includes(type)) throw invalidParameter(`unknown object type: ${type}`);
  }
  sendJson(call, 200, diskUsageFor(call.version, await call.engine.system.diskUsage(new Set(asked))));
}

async function auth(call: Call): Promise<void> {
  if (Number(call.request.headers['content-length'] ?? 0) === 0) throw systemError('EOF');
  const credentials = await readJson(call, any);
  sendJson(call, 200, await call.engine.system.login(credentials, call.signal));
}
