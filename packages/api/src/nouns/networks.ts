import { forbidden, invalidParameter, notFound, notImplemented } from '@gantry/errors';
import { networkConnectRequest, networkCreateRequest } from '../documents/requests.ts';
import { readJson } from '../http/body.ts';
import { type Call, get, param, post, type Route, remove } from '../http/call.ts';
import { parseFilters } from '../http/filters.ts';
import { sendJson } from '../http/reply.ts';

export const networkRoutes: readonly Route[] = [
  get('/networks', list),
  get('/networks/', list),
  get('/networks/{id*}', inspect),
  post('/networks/create', create),
  post('/networks/{id*}/connect', call => change(call, 'connecting a container to a network')),
  post('/networks/{id*}/disconnect', call => change(call, 'disconnecting a container from a network')),
  post('/networks/prune', prune),
  remove('/networks/{id*}', removeNetwork),
];

async function list(call: Call): Promise<void> {
  sendJson(call, 200, await call.engine.networks.list(parseFilters(call.query.get('filters'))));
}

async function inspect(call: Call): Promise<void> {
  const verbose = call.query.get('verbose');
  if (verbose !== '' && !/^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(verbose)) {
    throw invalidParameter(
      `invalid value for verbose: ${verbose}: strconv.ParseBool: parsing ${JSON.stringify(verbose)}: invalid syntax`,
    );
  }
  const network = await call.engine.networks.inspect(param(call, 'id'));
  const scope = call.query.get('scope');
  if (scope !== '' && scope !== network.Scope) throw notFound(`network ${param(call, 'id')} not found`);
  sendJson(call, 200, network);
}

async function create(call: Call): Promise<void> {
  const { Name } = (await readJson(call, networkCreateRequest)) as { Name: string };
  if (Name.trim() === '') throw invalidParameter('invalid name: name is empty');
  throw notImplemented('creating a network is not built yet', {
    hint: 'use the networks bridge, host and none, or --network container:NAME',
  });
}

async function change(call: Call, what: string): Promise<void> {
  const { Container } = (await readJson(call, networkConnectRequest)) as { Container: string };
  if (Container === '') throw invalidParameter('invalid name or ID supplied: ""');
  await call.engine.networks.inspect(param(call, 'id'));
  await call.engine.containers.inspect(Container, { size: false });
  throw notImplemented(`${what} is not built yet`);
}

/** Only the networks that every daemon has exist yet, and those are never pruned. */
function prune(call: Call): void {
  parseFilters(call.query.get('filters'));
  sendJson(call, 200, { NetworksDeleted: null });
}

async function removeNetwork(call: Call): Promise<void> {
  const { Name } = await call.engine.networks.inspect(param(call, 'id'));
  throw forbidden(`${Name} is a pre-defined network and cannot be removed`);
}
