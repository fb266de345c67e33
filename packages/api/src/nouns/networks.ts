import type { EndpointSettings, NetworkCreateRequest } from '@gantry/engine';
import { invalidParameter, notFound } from '@gantry/errors';
import { networkConnectRequest, networkCreateRequest, networkDisconnectRequest } from '../documents/requests.ts';
import { readJson } from '../http/body.ts';
import { type Call, get, param, post, type Route, remove } from '../http/call.ts';
import { parseFilters } from '../http/filters.ts';
import { sendEmpty, sendJson } from '../http/reply.ts';

export const networkRoutes: readonly Route[] = [
  get('/networks', list),
  get('/networks/', list),
  get('/networks/{id*}', inspect),
  post('/networks/create', create),
  get('/gantry/path', path),
  post('/networks/{id*}/connect', connect),
  post('/networks/{id*}/disconnect', disconnect),
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

/** Ours: the way of a packet. */
async function path(call: Call): Promise<void> {
  const { query } = call;
  sendJson(
    call,
    200,
    await call.engine.networks.explain(query.get('from'), query.get('to'), query.get('protocol') || 'tcp'),
  );
}

async function create(call: Call): Promise<void> {
  const request = (await readJson(call, networkCreateRequest)) as NetworkCreateRequest;
  if (request.Name.trim() === '') throw invalidParameter('invalid name: name is empty');
  sendJson(call, 201, await call.engine.networks.create(request));
}

async function connect(call: Call): Promise<void> {
  const request = (await readJson(call, networkConnectRequest)) as {
    Container: string;
    EndpointConfig?: Partial<EndpointSettings> | null;
  };
  if (request.Container === '') throw invalidParameter('invalid name or ID supplied: ""');
  await call.engine.networks.connect(param(call, 'id'), request.Container, request.EndpointConfig ?? {});
  sendEmpty(call, 200);
}

async function disconnect(call: Call): Promise<void> {
  const request = (await readJson(call, networkDisconnectRequest)) as { Container: string; Force?: boolean };
  if (request.Container === '') throw invalidParameter('invalid name or ID supplied: ""');
  await call.engine.networks.disconnect(param(call, 'id'), request.Container, request.Force ?? false);
  sendEmpty(call, 200);
}

async function prune(call: Call): Promise<void> {
  sendJson(call, 200, await call.engine.networks.prune(parseFilters(call.query.get('filters'))));
}

async function removeNetwork(call: Call): Promise<void> {
  await call.engine.networks.remove(param(call, 'id'));
  sendEmpty(call, 204);
}
