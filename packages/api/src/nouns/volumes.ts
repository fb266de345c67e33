import { unavailable } from '@gantry/errors';
import { volumeCreateOptions } from '../documents/requests.ts';
import { readJson } from '../http/body.ts';
import { type Call, get, param, post, put, type Route, remove } from '../http/call.ts';
import { parseFilters, withFilter } from '../http/filters.ts';
import { sendEmpty, sendJson } from '../http/reply.ts';
import { notSwarmManager } from './swarm.ts';

export const volumeRoutes: readonly Route[] = [
  get('/volumes', async call =>
    sendJson(call, 200, await call.engine.volumes.list(parseFilters(call.query.get('filters')))),
  ),
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
