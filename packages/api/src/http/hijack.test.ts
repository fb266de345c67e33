import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { PreparedAttach } from '@gantry/engine';
import { conflict, notFound } from '@gantry/errors';
import WebSocket from 'ws';
import { fakeEngine } from '../testing/fake-engine.ts';
import { readAll, serve } from '../testing/serve.ts';

/** Echoes what the client sends, after what came with the request, as a container running `cat` would. */
const echo: PreparedAttach = {
  tty: false,
  connect: async connection => {
    if (connection.kind === 'socket') {
      connection.socket.write(`[${connection.head}]`);
      connection.socket.pipe(connection.socket);
    } else connection.stream.pipe(connection.stream);
  },
};

const engine = fakeEngine({
  containers: {
    attach: async ref => {
      if (ref === 'nosuch') throw notFound('No such container: nosuch');
      return echo;
    },
  },
  execs: {
    startAttached: async (id, { tty }) => {
      if (id === 'paused') throw conflict('Container c is paused, unpause the container before exec');
      if (id !== 'broken') return { ...echo, tty };
      return { tty, connect: () => Promise.reject(new Error('exec failed: no such file')) };
    },
  },
});

const commonHeaders =
  'Api-Version: 1.51\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/28.5.2 (linux)\r\n';

test('attach with an upgrade is answered 101 and becomes a raw stream with half-close', async () => {
  await using api = await serve(engine);
  for (const [version, type] of [
    ['1.51', 'multiplexed'],
    ['1.41', 'raw'],
  ]) {
    const socket = await api.dial();
    socket.write(
      `POST /v${version}/containers/c/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly`,
    );
    await once(socket, 'readable');
    socket.end(' late');
    assert.equal(
      await readAll(socket),
      `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.${type}-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n[early] late`,
    );
  }
});

test('attach without an upgrade is answered 200 and becomes a raw stream too', async () => {
  await using api = await serve(engine);
  const socket = await api.dial();
  socket.write('POST /containers/c/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n');
  await once(socket, 'readable');
  socket.end('hello');
  assert.equal(
    await readAll(socket),
    'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n[]hello',
  );
});

test('attach that fails is answered in raw text', async () => {
  await using api = await serve(engine);
  for (const upgrade of ['', 'Connection: Upgrade\r\nUpgrade: tcp\r\n']) {
    const socket = await api.dial();
    socket.write(`POST /containers/nosuch/attach?stream=1 HTTP/1.1\r\nHost: d\r\n${upgrade}\r\n`);
    assert.equal(
      await readAll(socket),
      'HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: nosuch\r\n',
    );
    socket.destroy();
  }
});

test('detach keys that nobody can type are refused', async () => {
  await using api = await serve(engine);
  const answer = await api.ask('POST', '/containers/c/attach?detachKeys=foo');
  assert.equal(answer.status, 400);
  assert.equal(answer.body, 'Invalid detach keys (foo) provided\r\n');
});

test('exec start reads its body from an upgraded connection, however it arrives', async () => {
  await using api = await serve(engine);
  const head =
    'POST /v1.51/exec/e/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n';
  const bodies: readonly (readonly string[])[] = [
    ['Content-Length: 27\r\n\r\n{"Detach":false,"Tty":true}first'],
    ['Content-Length: 27\r\n\r\n', '{"Detach":fal', 'se,"Tty":true}first'],
    ['Transfer-Encoding: chunked\r\n\r\n', '1b\r\n{"Detach":false,"Tty":true}\r\n', '0\r\n\r\nfirst'],
  ];
  for (const [start = '', ...rest] of bodies) {
    const socket = await api.dial();
    socket.write(head + start);
    for (const part of rest) {
      await new Promise(resolve => setImmediate(resolve));
      socket.write(part);
    }
    await once(socket, 'readable');
    socket.end();
    assert.equal(
      await readAll(socket),
      `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${commonHeaders}\r\n[first]`,
    );
  }
});

test('exec start without an upgrade is answered 200, its body read before the stream begins', async () => {
  await using api = await serve(engine);
  const socket = await api.dial();
  socket.write(
    'POST /exec/e/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
  );
  await once(socket, 'readable');
  socket.end('in');
  assert.equal(
    await readAll(socket),
    `HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n${commonHeaders}\r\n[]in`,
  );
});

test('exec start that is refused is an HTTP error, one that fails later is output', async () => {
  await using api = await serve(engine);
  const start = (id: string): string =>
    `POST /exec/${id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  const refused = await api.dial();
  refused.write(start('paused'));
  const answer = await readAll(refused);
  assert.ok(answer.startsWith('HTTP/1.1 409 Conflict\r\n'), answer);
  assert.ok(answer.endsWith('{"message":"Container c is paused, unpause the container before exec"}\n'), answer);
  const failed = await api.dial();
  failed.write(start('broken'));
  assert.ok((await readAll(failed)).endsWith('\r\n\r\n\x01\0\0\0\0\0\0\x1bexec failed: no such file\r\n'));
  refused.destroy();
  failed.destroy();
});

test('attach by WebSocket sends binary frames, text frames to clients before API 1.28', async () => {
  await using api = await serve(engine);
  for (const [version, binary] of [
    ['1.51', true],
    ['1.27', false],
  ] as const) {
    const client = new WebSocket(`ws+unix://${api.path}:/v${version}/containers/c/attach/ws?stream=1&stdin=1`);
    await once(client, 'open');
    client.send('hello');
    const [data, isBinary] = await once(client, 'message');
    assert.equal(String(data), 'hello');
    assert.equal(isBinary, binary);
    client.close();
    await once(client, 'close');
  }
});

test('a WebSocket attach without its handshake is refused', async () => {
  await using api = await serve(engine);
  assert.equal((await api.ask('GET', '/containers/c/attach/ws')).body, 'not websocket protocol');
  const missing = await api.ask('GET', '/containers/nosuch/attach/ws');
  assert.equal(missing.status, 404);
});

test('an exec whose client went away before its answer is handed to the engine, which ends it', async () => {
  const claimed = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<void>();
  await using api = await serve(
    fakeEngine({
      execs: {
        startAttached: async () => {
          claimed.resolve();
          await gone.promise;
          return { tty: false, connect: async () => connected.resolve() };
        },
      },
    }),
  );
  const socket = await api.dial();
  socket.write(
    'POST /exec/e/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n',
  );
  await claimed.promise;
  socket.destroy();
  await once(socket, 'close');
  gone.resolve();
  await connected.promise;
});
