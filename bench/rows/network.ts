/** What a network costs that is made, and a running container that gets onto it, over the raw API. */
import type { Agent } from 'node:http';
import type { Row } from '../row.ts';
import { removeSleepers, startSleepers, type Target } from '../target.ts';
import { call, keptConnection } from './api.ts';

const NAME = 'bench-network';
const CONTAINER = 'bench-joins';

async function ask(target: Target, agent: Agent, want: number, method: string, path: string, body?: unknown) {
  const startMs = performance.now();
  const answer = await call(target, agent, method, path, body);
  const tookMs = performance.now() - startMs;
  if (answer.status !== want) throw new Error(`${target.name}: ${method} ${path}: ${answer.status} ${answer.body}`);
  return tookMs;
}

const create = (target: Target, agent: Agent, name: string): Promise<number> =>
  ask(target, agent, 201, 'POST', '/networks/create', { Name: name });
const remove = (target: Target, agent: Agent, name: string): Promise<number> =>
  ask(target, agent, 204, 'DELETE', `/networks/${name}`);

export const networkRows: readonly Row[] = [
  {
    id: 'network-create',
    title: 'network create, over the raw API',
    unit: 'ms',
    runs: 15,
    limit: { ratio: 0.2 },
    measure: async target => {
      using agent = keptConnection();
      await call(target, agent, 'GET', '/_ping');
      const tookMs = await create(target, agent, NAME);
      await remove(target, agent, NAME);
      return tookMs;
    },
  },
  {
    id: 'network-connect',
    title: 'network connect of a running container, over the raw API',
    unit: 'ms',
    runs: 15,
    limit: { ratio: 0.2 },
    prepare: async target => {
      using agent = keptConnection();
      await create(target, agent, NAME);
      await startSleepers(target, CONTAINER, 1);
    },
    restore: async target => {
      using agent = keptConnection();
      await removeSleepers(target, CONTAINER, 1);
      await remove(target, agent, NAME);
    },
    measure: async target => {
      using agent = keptConnection();
      await call(target, agent, 'GET', '/_ping');
      const body = { Container: `${CONTAINER}0` };
      const tookMs = await ask(target, agent, 200, 'POST', `/networks/${NAME}/connect`, body);
      await ask(target, agent, 200, 'POST', `/networks/${NAME}/disconnect`, body);
      return tookMs;
    },
  },
];
