import { unavailable } from '@gantry/errors';
import { volumeCreateOptions } from '../documents/requests.ts';
import { bodyStream, readJson } from '../http/body.ts';
import { type Call, get, param, post, put, type Route, remove } from '../http/call.ts';
import { parseFilters, withFilter } from '../http/filters.ts';
import { sendEmpty, sendJson, sendStream } from '../http/reply.ts';
import { notSwarmManager } from './swarm.ts';

export const volumeRoutes: readonly Route[] = [
  get('/volumes', async call =>
    sendJson(call, 200, await call.engine.volumes.list(parseFilters(call.query.get('filters')))),
  ),
  get('/volumes/{name}/archive', backUp),
  put('/volumes/{name}/archive', restore),
  get('/volumes/{name*}', async call => sendJson(call, 200, await call.engine.volumes.inspect(param(call, 'name')))),
  post('/volumes/create', create),
  post('/volumes/prune', prune),
  put('/volumes/{name*}', () => {
    throw unavailable('volume update only valid for cluster volumes, but swarm is unavailable');
  }),
  remove('/volumes/{name*}', async call => {
    await call.engine.volumes.remove(param(call, 'name'), call.query.bool('force'));
    sendEmpty(call, 204);
  }),
];

/** Ours: the files of a volume as a tar archive. */
async function backUp(call: Call): Promise<void> {
  const options = { pause: call.query.bool('pause') };
  await sendStream(
    call,
    await call.engine.volumes.backUp(param(call, 'name'), options, call.signal),
    'application/x-tar',
  );
}

/** Ours: replaces the files of a volume by those of an archive. */
async function restore(call: Call): Promise<void> {
  await call.engine.volumes.restore(param(call, 'name'), bodyStream(call), call.signal);
  sendEmpty(call, 200);
}

async function create(call: Call): Promise<void> {
  const { ClusterVolumeSpec, ...options } = (await readJson(call, volumeCreateOptions)) as Parameters<
    typeof call.engine.volumes.create
  >[0] & { ClusterVolumeSpec?: unknown };
  if (ClusterVolumeSpec && call.version >= 42) throw notSwarmManager();
  sendJson(call, 201, await call.engine.volumes.create(options));
}

async function prune(call: Call): Promise<void> {
  const filters = parseFilters(call.query.get('filters'));
  // Until API 1.42 named volumes were pruned too.
  const all = call.version < 42 ? withFilter(filters, 'all', 'true') : filters;
  sendJson(call, 200, await call.engine.volumes.prune(all));
}
