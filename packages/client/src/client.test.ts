import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { ApiError, ConnectionError, EngineClient } from './index.ts';

/** An HTTP server on a unix socket that answers as an engine does. */
async function engine(
  answer: (server: Server) => void,
): Promise<AsyncDisposable & { client: EngineClient; connections(): number }> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-client-'));
  const server = createServer();
  let connections = 0;
  server.on('connection', () => connections++);
  answer(server);
  server.listen(join(directory, 'sock'));
  await once(server, 'listening');
  const client = new EngineClient(`unix://${join(directory, 'sock')}`);
  return {
    client,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      server.close();
      server.closeAllConnections();
      rmSync(directory, { recursive: true });
    },
  };
}

test('negotiation takes the older of both versions, and later requests name it', async () => {
  const paths: string[] = [];
  await using at = await engine(server =>
    server.on('request', (request, response) => {
      paths.push(`${request.method} ${request.url}`);
      response.setHeader('Api-Version', '1.44');
      response.end(request.method === 'HEAD' ? undefined : '[]');
    }),
  );
  await at.client.negotiate();
  assert.deepEqual(await at.client.containers.list({ all: true, filters: new Map([['label', new Set(['a=b'])]]) }), []);
  assert.equal(at.client.apiVersion, '1.44');
  const filters = encodeURIComponent('{"label":{"a=b":true}}');
  assert.deepEqual(paths, ['HEAD /_ping', `GET /v1.44/containers/json?all=1&filters=${filters}`]);
  assert.equal(at.connections(), 1, 'a connection whose answer was read is used again');
});

test("an error status is an ApiError with the engine's own text", async () => {
  await using at = await engine(server =>
    server.on('request', (_, response) => response.writeHead(404).end('{"message":"No such container: x"}\n')),
  );
  await assert.rejects(at.client.containers.inspect('x'), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.message], [404, 'No such container: x']);
    return true;
  });
});

test('a hint of the engine is with the error, and what is no hint does no harm', async () => {
  const headers = [
    ['choose%20%E2%80%98b%E2%80%99', 'choose ‘b’'],
    ['100%', '100%'],
    ['', undefined],
  ] as const;
  for (const [header, hint] of headers) {
    await using at = await engine(server =>
      server.on('request', (_, response) =>
        response.writeHead(409, { 'Gantry-Hint': header }).end('{"message":"Conflict."}\n'),
      ),
    );
    await assert.rejects(at.client.containers.attach('x', { stdout: true }), { message: 'Conflict.', hint });
    await assert.rejects(at.client.containers.pause('x'), { message: 'Conflict.', hint });
  }
});

test('a socket that nobody listens on is a ConnectionError with the words that scripts look for', async () => {
  using client = new EngineClient('unix:///nonexistent/gantry.sock');
  await assert.rejects(client.negotiate(), (error: unknown) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.code, 'ENOENT');
    assert.equal(
      error.message,
      'Cannot connect to the Docker daemon at unix:///nonexistent/gantry.sock. Is the docker daemon running?',
    );
    return true;
  });
});

test('attach sends input, closes its side, and still gets all output', async () => {
  await using at = await engine(server =>
    server.on('upgrade', (request, socket: Socket) => {
      assert.equal(request.headers.upgrade, 'tcp');
      socket.write(
        'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
      );
      const input: Buffer[] = [];
      socket.on('data', piece => input.push(piece));
      socket.on('end', () => {
        const text = Buffer.concat(input);
        socket.end(
          Buffer.concat([
            Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]),
            text,
            Buffer.from([2, 0, 0, 0, 0, 0, 0, 1]),
            Buffer.from('!'),
          ]),
        );
      });
    }),
  );
  const stream = await at.client.containers.attach('x', { stdin: true, stdout: true, stderr: true });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = stream.copyOutput(stdout, stderr);
  async function* words() {
    yield 'half ';
    yield 'close';
  }
  await stream.copyInput(words());
  await output;
  assert.equal(stdout.read()?.toString(), 'half close');
  assert.equal(stderr.read()?.toString(), '!');
});

test('an abort ends a request that waits, with its own reason', async () => {
  await using at = await engine(server => server.on('request', (_, response) => response.flushHeaders()));
  const controller = new AbortController();
  const { ended } = await at.client.containers.wait('x', 'next-exit', controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(ended, /enough/);
});

test('an archive is sent in chunks while progress comes back', async () => {
  await using at = await engine(server =>
    server.on('request', async (request, response) => {
      let size = 0;
      for await (const piece of request) size += piece.length;
      response.end(`{"stream":"got ${size}"}\n{"status":"done"}`);
    }),
  );
  async function* archive() {
    for (let at = 0; at < 100; at++) yield Buffer.alloc(10_000);
  }
  const messages = [];
  for await (const message of await at.client.images.load(archive())) messages.push(message);
  assert.deepEqual(messages, [{ stream: 'got 1000000' }, { status: 'done' }]);
});

test('events keep their nanoseconds, which a number cannot hold', async () => {
  await using at = await engine(server =>
    server.on('request', (_, response) =>
      response.end(
        '{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{}},"time":1,"timeNano":1795208789987762693}\n',
      ),
    ),
  );
  for await (const { event } of await at.client.system.events()) assert.equal(event.timeNano, 1795208789987762693n);
});

test('a connection that ends within an answer is an error, not a short answer', async () => {
  await using at = await engine(server =>
    server.on('request', (_, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('[');
      setImmediate(() => response.socket?.destroy());
    }),
  );
  await assert.rejects(at.client.containers.list(), ConnectionError);
});
