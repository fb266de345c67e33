import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { duplicate } from '@gantry/linux';
import { forward } from './forward.ts';
import { Code, questionEnd, Type } from './message.ts';
import { OwnAnswers, type ResolverZone } from './own-answers.ts';
import { Resolver } from './resolver.ts';

const queryFor = (name: string, type: number, id = 0x1234, opt = 0): Buffer => {
  const labels = name.split('.').flatMap(label => [Buffer.of(label.length), Buffer.from(label)]);
  const extra = opt === 0 ? [] : [Buffer.from([0, 0, 41, opt >>> 8, opt & 255, 0, 0, 0, 0, 0, 0])];
  const head = Buffer.from([id >>> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, extra.length]);
  return Buffer.concat([head, ...labels, Buffer.of(0, type >>> 8, type & 255, 0, 1), ...extra]);
};

const many = Array.from({ length: 60 }, (_, index) => `10.9.0.${index}`);
const zone: ResolverZone = {
  version: () => 1,
  addresses: name =>
    name === 'web'
      ? { ipv4: ['10.0.0.1', '10.0.0.2'], ipv6: ['fd00::7'] }
      : name === 'pool'
        ? { ipv4: many, ipv6: [] }
        : undefined,
  name: address => (address === 'fd00::7' || address === '10.0.0.1' ? 'web.net' : undefined),
  upstreams: () => [],
};

const answered = (own: OwnAnswers, message: Buffer, overTcp = false): Buffer => {
  const room = Buffer.alloc(4096);
  return room.subarray(0, own.write(message, questionEnd(message), room, overTcp));
};
const code = (reply: Buffer): number => reply.readUInt8(3) & 15;
const answers = (reply: Buffer): number => reply.readUInt16BE(6);

test('both families, addresses by name, and none of a family that a known name lacks', () => {
  const own = new OwnAnswers(zone);
  assert.deepEqual([...answered(own, queryFor('web', Type.aaaa)).subarray(-16)].slice(0, 2), [0xfd, 0]);
  assert.equal(answers(answered(own, queryFor('WEB', Type.any))), 3);
  const none = answered(own, queryFor('pool', Type.aaaa));
  assert.deepEqual([code(none), answers(none)], [Code.ok, 0]);
  const reverse = answered(own, queryFor(`7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`, Type.ptr));
  assert.ok(reverse.toString('latin1').includes('\x03web\x03net\x00'));
  assert.equal(answered(own, queryFor('other', Type.a)).length, 0);
});

test('another address stands first each time, and the question comes back in its own letters', () => {
  const own = new OwnAnswers(zone);
  const first = [1, 2, 3].map(() => answered(own, queryFor('wEb', Type.a)).subarray(-20, -16).at(-1));
  assert.notEqual(first[0], first[1]);
  assert.equal(first[0], first[2]);
  assert.ok(answered(own, queryFor('wEb', Type.a, 7)).includes('wEb'));
  assert.equal(answered(own, queryFor('wEb', Type.a, 7)).readUInt16BE(0), 7);
});

test('an answer that a datagram of the client does not hold says so, and is whole by TCP or with EDNS', () => {
  const own = new OwnAnswers(zone);
  const cut = answered(own, queryFor('pool', Type.a));
  assert.deepEqual([(cut[2] ?? 0) & 2, answers(cut), cut.length], [2, 0, queryFor('pool', Type.a).length]);
  assert.equal(answers(answered(own, queryFor('pool', Type.a, 1, 1232))), 60);
  assert.equal(answers(answered(own, queryFor('pool', Type.a), true)), 60);
});

async function listening(): Promise<{ udp: Socket; tcp: Server; port: number }> {
  const tcp = createServer();
  await new Promise<void>(resolve => tcp.listen(0, '127.0.0.1', resolve));
  const address = tcp.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const udp = createSocket('udp4');
  await new Promise<void>((resolve, reject) => udp.once('error', reject).bind(port, '127.0.0.1', resolve));
  return { udp, tcp, port };
}

const descriptor = (socket: object): number => {
  for (const key of [...Object.getOwnPropertySymbols(socket), ...Object.keys(socket)]) {
    const value: unknown = Reflect.get(socket, key);
    const inner: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'handle') : undefined;
    for (const one of [value, inner]) {
      const fd: unknown = typeof one === 'object' && one !== null ? Reflect.get(one, 'fd') : undefined;
      if (typeof fd === 'number' && fd > 2) return fd;
    }
  }
  throw new Error('no descriptor');
};

test('a resolver answers what comes together by UDP, pieces by TCP, and hangs up on rubbish', async () => {
  const held = await listening();
  const sockets = { udp: duplicate(descriptor(held.udp)), tcp: duplicate(descriptor(held.tcp)) };
  // The descriptors are of the same sockets, which nobody else may read from.
  held.udp.close();
  held.tcp.close();
  const resolver = new Resolver(sockets, zone);
  const client = createSocket('udp4');
  const ids = new Set<number>();
  client.on('message', reply => ids.add(reply.readUInt16BE(0)));
  await new Promise<void>(resolve => client.connect(held.port, '127.0.0.1', resolve));
  try {
    const all = new Promise<void>(resolve => client.on('message', () => ids.size === 100 && resolve()));
    for (let id = 0; id < 100; id++) {
      client.send(Buffer.of(id));
      client.send(queryFor(id % 2 ? 'web' : 'nosuch', Type.a, id));
    }
    await all;
    const connection = connect(held.port, '127.0.0.1');
    const message = queryFor('pool', Type.a);
    // In two pieces, with a second question behind.
    connection.write(Buffer.concat([Buffer.of(0, message.length), message.subarray(0, 9)]));
    connection.write(Buffer.concat([message.subarray(9), Buffer.of(0, message.length), message]));
    let got = Buffer.alloc(0);
    for await (const chunk of connection) {
      got = Buffer.concat([got, chunk]);
      const size = got.length > 2 ? got.readUInt16BE(0) : Number.POSITIVE_INFINITY;
      if (got.length >= 2 * (size + 2)) break;
    }
    assert.equal(answers(got.subarray(2)), 60);
    const rubbish = connect(held.port, '127.0.0.1');
    rubbish.write(Buffer.alloc(600));
    await once(rubbish.resume(), 'close');
  } finally {
    client.close();
    resolver[Symbol.dispose]();
  }
});

async function upstream(address: string, reply: ((message: Buffer) => Buffer) | undefined, port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    if (reply) socket.send(reply(message), from.port, from.address);
  });
  await new Promise<void>((resolve, rejected) => socket.once('error', rejected).bind(port, address, resolve));
  return socket;
}

const replyOf = (message: Buffer, flags: number): Buffer => {
  const reply = Buffer.from(message);
  reply.writeUInt16BE(0x8180 | flags, 2);
  return reply;
};

test('an upstream that is silent, refuses or lies is passed over; the next one answers', async () => {
  const silent = await upstream('127.0.0.2', undefined);
  const { port } = silent.address();
  const refuses = await upstream('127.0.0.3', message => replyOf(message, Code.refused), port);
  const lies = await upstream('127.0.0.4', () => replyOf(queryFor('evil', Type.a), 0), port);
  const good = await upstream('127.0.0.5', message => replyOf(message, 0), port);
  try {
    const message = queryFor('example.org', Type.a, 9, 1232);
    const ask = (...list: string[]) => forward(message, list, 'udp', port, 150);
    const reply = await ask('127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.9', '127.0.0.5');
    assert.ok(reply);
    assert.deepEqual([code(reply), reply.length], [Code.ok, message.length]);
    const refused = await ask('127.0.0.3', '127.0.0.2');
    assert.equal(refused && code(refused), Code.refused);
    assert.equal(await ask('127.0.0.2', '127.0.0.4'), undefined);
  } finally {
    for (const socket of [silent, refuses, lies, good]) socket.close();
  }
});

test('whatever bytes come, answers stay within their room and memory within its bound', () => {
  let seed = 11;
  const random = (bound: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % bound;
  };
  const own = new OwnAnswers(zone);
  const room = Buffer.alloc(512);
  const whole = queryFor('web.net.example', Type.a, 3, 4096);
  for (let round = 0; round < 50_000; round++) {
    const bytes = Buffer.from(whole);
    for (let changes = random(6); changes >= 0; changes--) bytes[random(bytes.length)] = random(256);
    const message = bytes.subarray(0, random(bytes.length + 1));
    const end = questionEnd(message);
    assert.ok(end <= message.length);
    if (end > 0) assert.ok(own.write(message, end, room) <= room.length);
  }
});
