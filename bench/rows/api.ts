import { Agent, request } from 'node:http';
import type { Row } from '../row.ts';
import { quantile, removeSleepers, startSleepers, type Target } from '../target.ts';

/** One request over a kept connection; resolves with status and body. */
export function call(
  target: Target,
  agent: Agent,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const outgoing = request({ socketPath: target.socket, method, path: `/v1.50${path}`, agent, headers }, answer => {
      const chunks: Buffer[] = [];
      answer.on('data', chunk => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}

/** create, start, wait, remove of one container over the raw API, in milliseconds. */
export async function cycle(target: Target, agent: Agent): Promise<number> {
  const startMs = performance.now();
  const created = await call(target, agent, 'POST', '/containers/create', { Image: 'busybox', Cmd: ['true'] });
  if (created.status !== 201) throw new Error(`${target.name}: create: ${created.status} ${created.body}`);
  const { Id } = JSON.parse(created.body) as { Id: string };
  for (const [method, path, want] of [
    ['POST', `/containers/${Id}/start`, 204],
    ['POST', `/containers/${Id}/wait`, 200],
    ['DELETE', `/containers/${Id}`, 204],
  ] as const) {
    const answer = await call(target, agent, method, path);
    if (answer.status !== want) throw new Error(`${target.name}: ${method} ${path}: ${answer.status} ${answer.body}`);
  }
  return performance.now() - startMs;
}

const cycleRow = (id: string, title: string, q: number, absolute: number): Row => ({
  id,
  title,
  unit: 'ms',
  runs: 1,
  limit: { absolute },
  measure: async target => {
    using agent = keptConnection();
    for (let warm = 0; warm < 10; warm++) await cycle(target, agent);
    const rounds = target.name === 'gantry' ? 300 : 30;
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await cycle(target, agent));
    return quantile(times, q);
  },
});

export function keptConnection(): Agent & Disposable {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}

export const apiRows: readonly Row[] = [
  cycleRow('cycle-p50', 'create + start + wait + remove over the raw API, p50', 0.5, 10),
  cycleRow('cycle-p99', 'the same, p99', 0.99, 20),
  {
    id: 'ps',
    title: 'docker ps beside 100, over the raw API',
    unit: 'ms',
    runs: 20,
    limit: { ratio: 0.5 },
    heavy: true,
    prepare: target => startSleepers(target, 'listed', 100),
    restore: target => removeSleepers(target, 'listed', 100),
    measure: async target => {
      using agent = keptConnection();
      await call(target, agent, 'GET', '/_ping');
      const startMs = performance.now();
      const answer = await call(target, agent, 'GET', '/containers/json');
      if ((JSON.parse(answer.body) as unknown[]).length < 100) throw new Error(`${target.name}: ps lists too few`);
      return performance.now() - startMs;
    },
  },
];
