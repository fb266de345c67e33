import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { notFound } from '@gantry/errors';
import { routes } from './routes.ts';
import { fakeEngine } from './testing/fake-engine.ts';
import { serve } from './testing/serve.ts';

type Row = { readonly method: string; readonly path: string; readonly state: string };

const document = readFileSync(new URL('../../../docs/compatibility.md', import.meta.url), 'utf8');
const rows: readonly Row[] = [
  ...document.matchAll(/^\| (GET|HEAD|POST|PUT|DELETE|OPTIONS) \| `([^`]+)` \| ([^|]+?) \|/gm),
].map(([, method = '', path = '', state = '']) => ({ method, path, state }));

/** What a request needs so that a route that is not built says so, and nothing else. */
const complete: Readonly<Record<string, { readonly query?: string; readonly body?: string; readonly upgrade?: true }>> =
  {
    'POST /commit': { query: 'container=c' },
    'POST /images/create': { query: 'fromSrc=-' },
    'GET /containers/{id}/logs': { query: 'stdout=1' },
    'POST /containers/{id}/resize': { query: 'h=1&w=1' },
    'POST /exec/{id}/resize': { query: 'h=1&w=1' },
    'POST /containers/create': { body: '{"Image":"busybox"}' },
    'POST /containers/{id}/exec': { body: '{"Cmd":["true"]}' },
    'POST /images/{name}/tag': { query: 'repo=r' },
    'HEAD /containers/{id}/archive': { query: 'path=/' },
    'GET /containers/{id}/archive': { query: 'path=/' },
    'PUT /containers/{id}/archive': { query: 'path=/' },
    'POST /networks/create': { body: '{"Name":"n"}' },
    'POST /networks/{id}/connect': { body: '{"Container":"c"}' },
    'POST /networks/{id}/disconnect': { body: '{"Container":"c"}' },
    'POST /swarm/init': { body: '{"ListenAddr":"0.0.0.0"}' },
    'POST /swarm/join': { body: '{"ListenAddr":"0.0.0.0"}' },
    'POST /swarm/update': { query: 'version=1' },
    'POST /services/{id}/update': { query: 'version=1' },
    'POST /nodes/{id}/update': { query: 'version=1' },
    'POST /secrets/{id}/update': { query: 'version=1' },
    'POST /configs/{id}/update': { query: 'version=1' },
    'GET /services/{id}/logs': { query: 'stdout=1' },
    'GET /tasks/{id}/logs': { query: 'stdout=1' },
    'POST /auth': { body: '{"username":"u"}' },
    'POST /build/cancel': { query: 'id=1' },
    'POST /plugins/create': { query: 'name=p' },
    'POST /plugins/pull': { query: 'remote=p' },
    'GET /plugins/privileges': { query: 'remote=p' },
    'POST /plugins/{name}/enable': { query: 'timeout=1' },
    'POST /plugins/{name}/upgrade': { query: 'remote=p' },
    'POST /session': { upgrade: true },
    'POST /grpc': { upgrade: true },
  };

/** Everything that dockerd's routers register, from its API description and source, is in the table; nothing else is. */
test('the table has a row for each route of the router, and the router one for each row', async () => {
  assert.ok(rows.length > 110, `${rows.length} rows`);
  const shape = (method: string, path: string): string => `${method} ${path.replace(/\{\w+\*?\}/g, '{}')}`;
  const registered = new Set(routes.map(({ method, pattern }) => shape(method, pattern)));
  const written = rows.filter(row => row.state !== 'absent').map(row => shape(row.method, row.path));
  assert.deepEqual([...new Set(written)].sort(), [...registered].sort());
});

test('each row says how its route answers', async () => {
  // An engine in which `c`, `i`, `n` and `v` are found, and every verb says that it was asked.
  const asked = async (): Promise<never> => {
    throw notFound('the engine was asked');
  };
  const verbs = new Proxy({}, { get: () => asked });
  const found = async (): Promise<never> => ({ Name: 'bridge', Scope: 'local' }) as never;
  await using idle = await serve(
    fakeEngine({
      containers: new Proxy({}, { get: (_, verb) => (verb === 'inspect' ? found : asked) }),
      images: new Proxy({}, { get: (_, verb) => (verb === 'inspect' ? found : asked) }),
      networks: { inspect: found, list: asked },
      execs: verbs,
      volumes: verbs,
      system: verbs,
      events: {
        subscribe: () => {
          throw notFound('the engine was asked');
        },
      },
    }),
  );
  for (const { method, path, state } of rows) {
    const { query = '', body, upgrade } = complete[`${method} ${path}`] ?? {};
    const url = `/v1.51${path.replace(/\{\w+\}/g, 'x')}?${query}`;
    const answer = await idle.ask(method, url, {
      body,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(upgrade ? { Connection: 'Upgrade', Upgrade: 'h2c' } : {}),
      },
    });
    const row = `${method} ${path} is ${state}, and answered ${answer.status} ${answer.body}`;
    const unbuilt = answer.status === 501 && !answer.body.includes('experimental');
    assert.equal(unbuilt, state === 'not yet', row);
    assert.equal(answer.status === 404 && answer.body.includes('page not found'), state === 'absent', row);
    if (unbuilt && method !== 'HEAD') assert.match(answer.body, /is not built yet|are not built yet/, row);
    if (state === 'as dockerd') assert.doesNotMatch(answer.body, /engine was asked/, row);
  }
});
