import { type GantryError, invalidParameter, notImplemented, systemError, unavailable } from '@gantry/errors';
import { readJson } from '../http/body.ts';
import { type Call, get, type Handler, post, type Route, remove } from '../http/call.ts';
import { any } from '../json/schema.ts';

/** What a daemon outside a swarm says to everything that needs one. */
export function notSwarmManager(): GantryError {
  return unavailable(
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}

const refuse: Handler = () => {
  throw notSwarmManager();
};

const refuseBody: Handler = async call => {
  await readJson(call, any);
  throw notSwarmManager();
};

/** Updates name the version of what they change; dockerd looks at it first. */
const refuseUpdate =
  (problem: (text: string) => string): Handler =>
  async call => {
    await readJson(call, any);
    const version = call.query.get('version');
    if (!/^\d+$/.test(version)) throw invalidParameter(problem(version));
    throw notSwarmManager();
  };

const invalidVersion =
  (what: string) =>
  (text: string): string =>
    `invalid ${what} version '${text}': strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;

const refuseLogs: Handler = ({ query }) => {
  if (!query.bool('stdout') && !query.bool('stderr')) {
    throw systemError('Bad parameters: you must choose at least one stream');
  }
  throw notSwarmManager();
};

export const swarmRoutes: readonly Route[] = [
  post('/swarm/init', enter),
  post('/swarm/join', enter),
  post('/swarm/leave', () => {
    throw unavailable('This node is not part of a swarm');
  }),
  get('/swarm', refuse),
  get('/swarm/unlockkey', refuse),
  post('/swarm/update', refuseUpdate(invalidVersion('swarm'))),
  post('/swarm/unlock', refuseBody),
  get('/services', refuse),
  get('/services/{id}', refuse),
  post('/services/create', refuseBody),
  post('/services/{id}/update', refuseUpdate(invalidVersion('service'))),
  remove('/services/{id}', refuse),
  get('/services/{id}/logs', refuseLogs),
  get('/nodes', refuse),
  get('/nodes/{id}', refuse),
  remove('/nodes/{id}', refuse),
  post('/nodes/{id}/update', refuseUpdate(invalidVersion('node'))),
  get('/tasks', refuse),
  get('/tasks/{id}', refuse),
  get('/tasks/{id}/logs', refuseLogs),
  get('/secrets', refuse),
  post('/secrets/create', refuseBody),
  remove('/secrets/{id}', refuse),
  get('/secrets/{id}', refuse),
  post(
    '/secrets/{id}/update',
    refuseUpdate(() => 'invalid secret version'),
  ),
  get('/configs', refuse),
  post('/configs/create', refuseBody),
  remove('/configs/{id}', refuse),
  get('/configs/{id}', refuse),
  post(
    '/configs/{id}/update',
    refuseUpdate(() => 'invalid config version'),
  ),
];

async function enter(call: Call): Promise<void> {
  const body = (await readJson(call, any)) as { ListenAddr?: unknown } | null;
  if (typeof body?.ListenAddr !== 'string' || body.ListenAddr === '') {
    throw invalidParameter('invalid ListenAddr "": invalid empty address');
  }
  throw notImplemented('swarm mode is not built yet');
}
