import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflict, notModified } from '@gantry/errors';
import { fakeEngine } from '../testing/fake-engine.ts';
import { readAll, serve } from '../testing/serve.ts';

test('an unknown path, and a known one with another method, is not found without any header of ours', async () => {
  await using api = await serve(fakeEngine());
  for (const [method, path] of [
    ['GET', '/nope'],
    ['DELETE', '/info'],
    ['GET', '/v1.51'],
    ['GET', '/v1.99/nope'],
    ['GET', '/containers/create'],
  ] as const) {
    const answer = await api.ask(method, path);
    assert.equal(answer.status, 404, path);
    assert.equal(answer.body, '{"message":"page not found"}\n');
    assert.equal(answer.headers['api-version'], undefined);
  }
});

test('a ping tells what dockerd tells, with a body for GET and none for HEAD', async () => {
  await using api = await serve(fakeEngine());
  for (const [method, body] of [
    ['GET', 'OK'],
    ['HEAD', ''],
  ] as const) {
    const answer = await api.ask(method, '/v1.24/_ping');
    assert.equal(answer.status, 200);
    assert.equal(answer.body, body);
    assert.equal(answer.headers['api-version'], '1.51');
    assert.equal(answer.headers['builder-version'], '2');
    assert.equal(answer.headers['cache-control'], 'no-cache, no-store, must-revalidate');
    assert.equal(answer.headers['docker-experimental'], 'false');
    assert.equal(answer.headers.ostype, 'linux');
    assert.equal(answer.headers.pragma, 'no-cache');
    assert.equal(answer.headers.server, 'Docker/28.5.2 (linux)');
    assert.equal(answer.headers.swarm, 'inactive');
    assert.equal(answer.headers['gantry-version'], '1.2.3');
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  }
});

test('a version too old is refused in text, one too new in JSON', async () => {
  await using api = await serve(fakeEngine());
  const old = await api.ask('GET', '/v1.10/info');
  assert.equal(old.status, 400);
  assert.equal(
    old.body,
    'client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n',
  );
  assert.equal(old.headers['content-type'], 'text/plain; charset=utf-8');
  const young = await api.ask('GET', '/v1.99/info');
  assert.equal(young.status, 400);
  assert.equal(young.body, '{"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}\n');
});

test('a request in the form for proxies, which names the host, is answered as any other', async () => {
  await using api = await serve(fakeEngine());
  for (const target of ['http://localhost:2375/v1.41/_ping', 'HTTP://d/_ping?a=1']) {
    const answer = await api.ask('GET', target);
    assert.deepEqual([answer.status, answer.body], [200, 'OK'], target);
  }
  assert.equal((await api.ask('GET', 'http://localhost')).status, 404);
  assert.equal((await api.ask('GET', 'http://[::1/_ping')).status, 400);
});

test('a path with empty elements is redirected to the clean one', async () => {
  await using api = await serve(fakeEngine());
  const answer = await api.ask('GET', '/v1.51//containers/../info?a=1');
  assert.equal(answer.status, 301);
  assert.equal(answer.headers.location, '/v1.51/info?a=1');
});

test("an error of the engine becomes its status, with Docker's message and the hint in a header", async () => {
  await using api = await serve(
    fakeEngine({
      containers: {
        rename: async () => {
          throw conflict('Conflict.', { hint: 'choose another name' });
        },
        unpause: async () => {
          throw conflict('Conflict.', { hint: 'name \ud800' });
        },
        start: async () => {
          throw notModified('is running');
        },
        pause: async () => {
          throw new TypeError('broken');
        },
      },
    }),
  );
  const renamed = await api.ask('POST', '/containers/a/rename?name=b');
  assert.equal(renamed.status, 409);
  assert.equal(renamed.body, '{"message":"Conflict."}\n');
  assert.equal(renamed.headers['gantry-hint'], 'choose%20another%20name');
  const halfCharacter = await api.ask('POST', '/containers/a/unpause');
  assert.deepEqual([halfCharacter.status, halfCharacter.headers['gantry-hint']], [409, 'name%20%EF%BF%BD']);
  const started = await api.ask('POST', '/containers/a/start');
  assert.equal(started.status, 304);
  assert.equal(started.body, '');
  const paused = await api.ask('POST', '/containers/a/pause');
  assert.equal(paused.status, 500);
  assert.equal(paused.body, '{"message":"broken"}\n');
});

test('a request that asks for HTTP/2 by the way is answered in HTTP/1.1', async () => {
  await using api = await serve(fakeEngine({ containers: { pause: async () => {} } }));
  const answer = await api.ask('POST', '/containers/a/pause', {
    headers: { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': '' },
  });
  assert.equal(answer.status, 204);
});

test('what is no HTTP is refused, and the server lives on', async () => {
  await using api = await serve(fakeEngine());
  for (const garbage of [
    'GARBAGE\r\n\r\n',
    '\x16\x03\x01\x02\x00',
    `GET / HTTP/1.1\r\nHost: d\r\nA: ${'x'.repeat(2e6)}`,
  ]) {
    const socket = await api.dial();
    socket.on('error', () => {});
    socket.end(garbage);
    assert.match(await readAll(socket).catch(() => 'HTTP/1.1 431 reset'), /^HTTP\/1.1 4(00|31)/);
  }
  assert.equal((await api.ask('GET', '/_ping')).status, 200);
});

test('a connection is used for several requests, without a word about it in the headers', async () => {
  await using api = await serve(fakeEngine());
  const socket = await api.dial();
  socket.end('GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n');
  const text = await readAll(socket);
  assert.equal(text.split('HTTP/1.1 200 OK').length, 3);
  assert.equal(text.match(/^Connection: .*$/gm)?.join(), 'Connection: close');
});

test('hundreds of idle connections do not keep others waiting', async () => {
  await using api = await serve(fakeEngine());
  const idle = await Promise.all(Array.from({ length: 300 }, () => api.dial()));
  for (const socket of idle) socket.write('GET /_ping HTT');
  assert.equal((await api.ask('GET', '/_ping')).body, 'OK');
  for (const socket of idle) socket.destroy();
});
