import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { probePort } from '@gantry/linux';
import type { Shim } from '../launch.ts';
import type { Step } from '../plan/steps.ts';
import { Bench, needsRoot, shell } from './container.fixture.ts';

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  server.close();
  await once(server, 'close');
  return port;
}

function holding(bench: Bench, socket: Step): Promise<Shim> {
  return bench.launch('', { plan: { cloneFlags: 0, prepare: [socket], parent: [], child: shell('exec sleep 1000') } });
}

test('a held TCP port is relayed both ways, half-close kept, and large streams are whole', needsRoot, async () => {
  await using bench = new Bench();
  const server = createServer({ allowHalfOpen: true }, socket => {
    let size = 0;
    socket.on('data', chunk => {
      size += chunk.length;
    });
    socket.on('end', () => socket.end(Buffer.alloc(3_000_000, String(size))));
  });
  const target = await listening(server);
  const port = await freePort();
  const relayTo = { address: '127.0.0.1', port: target };
  const shim = await holding(bench, { op: 'hostSocket', protocol: 'tcp', address: '127.0.0.1', port, relayTo });
  await Promise.all(
    [1, 2, 3].map(async () => {
      const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      client.end(Buffer.alloc(2_000_000));
      const chunks: Buffer[] = [];
      for await (const chunk of client) chunks.push(chunk);
      const answer = Buffer.concat(chunks);
      assert.equal(answer.length, 3_000_000);
      assert.equal(answer.toString('latin1', 0, 7), '2000000');
    }),
  );
  server.close();
  await shim.signal('init', 9);
  await shim.exited;
  const refused = connect({ port, host: '127.0.0.1' });
  const [error] = await once(refused, 'error');
  assert.equal(error.code, 'ECONNREFUSED');
});

test('a held port whose target refuses ends the connection', needsRoot, async () => {
  await using bench = new Bench();
  const [port, closed] = [await freePort(), await freePort()];
  const relayTo = { address: '127.0.0.1', port: closed };
  await holding(bench, { op: 'hostSocket', protocol: 'tcp', address: '127.0.0.1', port, relayTo });
  const client = connect({ port, host: '127.0.0.1' });
  client.on('error', () => {});
  client.resume();
  await once(client, 'close');
});

test('a port that is taken fails the launch by its step', needsRoot, async () => {
  await using bench = new Bench();
  const server = createServer();
  const port = await listening(server);
  await assert.rejects(
    holding(bench, { op: 'hostSocket', protocol: 'tcp', address: '127.0.0.1', port }),
    new RegExp(`listening on tcp 127\\.0\\.0\\.1:${port}: address already in use`),
  );
  server.close();
});

test('UDP datagrams are relayed, and the answers find their sender', needsRoot, async () => {
  await using bench = new Bench();
  const bound = async (): Promise<UdpSocket> => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  };
  const server = await bound();
  server.on('message', (message, from) => server.send(`echo ${message}`, from.port, from.address));
  const placeholder = await bound();
  const { port } = placeholder.address();
  placeholder.close();
  await once(placeholder, 'close');
  const relayTo = { address: '127.0.0.1', port: server.address().port };
  await holding(bench, { op: 'hostSocket', protocol: 'udp', address: '127.0.0.1', port, relayTo });
  for (const name of ['one', 'two']) {
    const client = await bound();
    client.send(name, port, '127.0.0.1');
    const [answer, from] = await once(client, 'message');
    assert.equal(String(answer), `echo ${name}`);
    assert.equal(from.port, port);
    client.close();
  }
  server.close();
});

test(
  'a range is one step: each port is relayed to its neighbour, both families by one socket, and let go singly',
  needsRoot,
  async () => {
    await using bench = new Bench();
    const servers = await neighbouringServers(3);
    const [first = 0] = servers.map(server => (server.address() as AddressInfo).port);
    const port = await freeRange(3);
    const relayTo = { address: '127.0.0.1', port: first };
    const shim = await holding(bench, {
      op: 'hostSocket',
      protocol: 'tcp',
      address: '::',
      port,
      count: 3,
      bothFamilies: true,
      relayTo,
    });
    const ask = async (host: string, at: number): Promise<string> => {
      const client = connect({ port: at, host });
      const chunks: Buffer[] = [];
      for await (const chunk of client) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    for (const host of ['127.0.0.1', '::1']) {
      for (const at of [0, 1, 2]) assert.equal(await ask(host, port + at), String(first + at));
    }
    await shim.release('tcp', port + 1, 1);
    await assert.rejects(ask('::1', port + 1), { code: 'ECONNREFUSED' });
    assert.equal(await ask('127.0.0.1', port + 2), String(first + 2));
    await shim.hold([{ op: 'hostSocket', protocol: 'tcp', address: '127.0.0.1', port: port + 1, relayTo }]);
    assert.equal(await ask('127.0.0.1', port + 1), String(first));
    const half = {
      op: 'hostSocket',
      protocol: 'tcp',
      address: '127.0.0.1',
      port: port - 1,
      count: 4,
      relayTo,
    } as const;
    await assert.rejects(shim.hold([half]), /address already in use/);
    await assert.rejects(ask('127.0.0.1', port - 1), { code: 'ECONNREFUSED' }, 'all of a step, or none');
    await shim.release('udp', 1, 65535);
    for (const server of servers) server.close();
  },
);

async function neighbouringServers(count: number): Promise<Server[]> {
  const first = await freeRange(count);
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const server = createServer(socket => socket.end(String(first + index)));
      server.listen(first + index, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
}

/** The first of some ports that are free, with a free one before them. */
async function freeRange(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const ports = Array.from({ length: count + 1 }, (_, index) => first - 1 + index);
    if (
      ports.every(port => probePort('tcp', '::', port) === undefined && probePort('tcp', '0.0.0.0', port) === undefined)
    ) {
      return first;
    }
  }
}
