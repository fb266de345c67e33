import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

describe('attach over the raw socket', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(() => daemon.docker('rm', '-f', 'box'));

  /** Sends a request and returns the connection after the header of the answer, and that header. */
  function open(request: string): Promise<{ readonly socket: Socket; readonly header: string; readonly rest: Buffer }> {
    return new Promise((resolve, reject) => {
      const socket = connect(daemon.socket);
      let received = Buffer.alloc(0);
      socket.once('error', reject);
      socket.write(request);
      socket.on('data', function receive(chunk: Buffer) {
        received = Buffer.concat([received, chunk]);
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.off('data', receive);
        socket.pause();
        resolve({ socket, header: received.subarray(0, end).toString(), rest: received.subarray(end + 4) });
      });
    });
  }

  /** Everything until the other side ends, from `rest` on. */
  async function drain({ socket, rest }: { readonly socket: Socket; readonly rest: Buffer }): Promise<Buffer> {
    const chunks = [rest];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  /** Splits Docker's stream frames. */
  function frames(bytes: Buffer): { readonly stream: number; readonly text: string }[] {
    const found: { stream: number; text: string }[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.readUInt32BE(at + 4);
      found.push({ stream: bytes[at] ?? -1, text: bytes.subarray(at + 8, at + 8 + size).toString() });
      at += 8 + size;
    }
    return found;
  }

  const attachRequest = (query: string, headers = 'Connection: Upgrade\r\nUpgrade: tcp\r\n'): string =>
    `POST /v1.50/containers/box/attach?${query} HTTP/1.1\r\nHost: d\r\n${headers}Content-Length: 0\r\n\r\n`;

  test('with an Upgrade header: 101, frames by stream, half close reaches the program', async () => {
    await daemon.docker('create', '-i', '--name', 'box', 'busybox', 'sh', '-c', 'cat; echo problem >&2');
    await daemon.docker('start', 'box');
    const connection = await open(attachRequest('stream=1&stdin=1&stdout=1&stderr=1'));
    assert.match(connection.header, /^HTTP\/1\.1 101 UPGRADED\r\n/);
    assert.match(connection.header, /Content-Type: application\/vnd\.docker\.multiplexed-stream/i);
    connection.socket.end('typed\n');
    assert.deepEqual(frames(await drain(connection)), [
      { stream: 1, text: 'typed\n' },
      { stream: 2, text: 'problem\n' },
    ]);
  });

  test('a body of the request is no input of the program', async () => {
    await daemon.docker('create', '-i', '--name', 'box', 'busybox', 'cat');
    await daemon.docker('start', 'box');
    const request = attachRequest('stream=1&stdin=1&stdout=1');
    const connection = await open(request.replace(/Content-Length: 0\r\n\r\n$/, 'Content-Length: 9\r\n\r\n{"a":"b"}'));
    connection.socket.end('typed\n');
    assert.deepEqual(frames(await drain(connection)), [{ stream: 1, text: 'typed\n' }]);
  });

  test('without an Upgrade header: 200 and the same stream', async () => {
    await daemon.docker('create', '-i', '--name', 'box', 'busybox', 'cat');
    await daemon.docker('start', 'box');
    const connection = await open(attachRequest('stream=1&stdin=1&stdout=1', ''));
    assert.match(connection.header, /^HTTP\/1\.1 200 OK\r\n/);
    connection.socket.write('typed\n');
    connection.socket.end();
    assert.deepEqual(frames(await drain(connection)), [{ stream: 1, text: 'typed\n' }]);
  });

  test('a terminal is raw, takes a size, and detaches by the keys that were asked for', async () => {
    await daemon.docker('run', '-dit', '--name', 'box', 'busybox', 'sh');
    const resized = await daemon.api('POST', '/v1.50/containers/box/resize?h=33&w=77');
    assert.equal(resized.status, 200, resized.body);
    const connection = await open(attachRequest('stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,d'));
    assert.match(connection.header, /application\/vnd\.docker\.raw-stream/);
    connection.socket.write('stty size; echo end\n');
    let seen = connection.rest.toString();
    connection.socket.resume();
    await new Promise<void>(done =>
      connection.socket.on('data', chunk => {
        seen += chunk;
        if (/\r\nend\r\n/.test(seen)) done();
      }),
    );
    assert.match(seen, /33 77\r\n/);
    const closed = new Promise(done => connection.socket.once('end', done));
    connection.socket.write(Buffer.from([0x18, 0x64]));
    await closed;
    assert.equal((await daemon.docker('inspect', '-f', '{{.State.Running}}', 'box')).stdout, 'true\n');
  });

  test('an exec is resized by clients that do not wait until its process is there', async () => {
    await daemon.docker('run', '-d', '--name', 'box', '--stop-timeout', '0', 'busybox', 'sleep', '1000');
    const created = await daemon.api('POST', '/v1.50/containers/box/exec', {
      ...{ Cmd: ['sh', '-c', 'read line; stty size'], Tty: true, AttachStdin: true, AttachStdout: true },
    });
    const { Id: id } = JSON.parse(created.body) as { Id: string };
    // As dockerode and editors do; dockerd lets it wait for the start.
    const resized = daemon.api('POST', `/v1.50/exec/${id}/resize?h=31&w=71`);
    const body = '{"Tty":true}';
    const connection = await open(
      `POST /v1.50/exec/${id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const answer = await resized;
    assert.equal(answer.status, 200, answer.body);
    connection.socket.write('go\n');
    assert.match((await drain(connection)).toString(), /\r\n31 71\r\n$/);
  });

  test('by WebSocket', async () => {
    await daemon.docker('run', '-di', '--name', 'box', 'busybox', 'cat');
    const key = randomBytes(16).toString('base64');
    const connection = await open(
      `GET /v1.50/containers/box/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    assert.match(connection.header, /^HTTP\/1\.1 101 /);
    const mask = Buffer.from([1, 2, 3, 4]);
    const text = Buffer.from('typed\n').map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    const answer = new Promise<Buffer>(done => connection.socket.once('data', done));
    connection.socket.write(Buffer.concat([Buffer.from([0x82, 0x80 | text.length]), mask, text]));
    connection.socket.resume();
    assert.match((await answer).toString('latin1'), /typed\n/);
    connection.socket.destroy();
  });

  test('an unknown container is 404 before any upgrade', async () => {
    const { header, socket } = await open(attachRequest('stream=1'));
    assert.match(header, /^HTTP\/1\.1 404 Not Found\r\n/);
    socket.destroy();
  });
});
