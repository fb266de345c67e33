import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { importTree } from '../harness/image.ts';
import { rootOnly } from '../harness/skip.ts';

const hostAddress = Object.values(networkInterfaces())
  .flat()
  .find(address => address?.family === 'IPv4' && !address.internal)?.address;

/** Ports of this run: other engines on the machine may hold fixed ones. */
const base = 20_000 + Math.floor(Math.random() * 400) * 20;

/** A request by nc, since the wget of Debian's static busybox crashes on names. */
const fetchPasswd = (address: string, port: number): string[] => [
  'sh',
  '-c',
  `printf 'GET /passwd HTTP/1.0\\r\\n\\r\\n' | nc ${address} ${port} | tail -n 2`,
];

describe('published ports', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(() => daemon.docker('rm', '-f', 'web', 'other'));

  const serve = async (...options: string[]): Promise<void> => {
    const { code, stderr } = await daemon.docker(
      'run',
      '-d',
      '--name',
      'web',
      ...options,
      'busybox',
      'httpd',
      '-f',
      '-p',
      '80',
      '-h',
      '/etc',
    );
    assert.equal(code, 0, stderr);
  };
  const get = async (url: string): Promise<string> => (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
  /** A server in a container is ready a moment after its start; an answer of any kind is awaited for a bounded time. */
  const served = async (url: string): Promise<string> => {
    for (const deadline = performance.now() + 5000; ; await delay(20)) {
      try {
        return await get(url);
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
    }
  };
  const refused = async (url: string): Promise<void> => {
    await assert.rejects(fetch(url, { signal: AbortSignal.timeout(2000) }), `${url} answered`);
  };

  test('a TCP port is reached from 127.0.0.1, ::1, the host address, and from another container', async () => {
    await serve('-p', `${base}:80`);
    assert.match(await served(`http://127.0.0.1:${base}/passwd`), /^root/);
    assert.match(await served(`http://[::1]:${base}/passwd`), /^root/);
    if (hostAddress) {
      assert.match(await served(`http://${hostAddress}:${base}/passwd`), /^root/);
      const hairpin = await daemon.docker('exec', 'web', ...fetchPasswd(hostAddress, base));
      assert.match(hairpin.stdout, /^root/, 'a container reaches its own published port');
      const neighbour = await daemon.docker(
        'run',
        '--rm',
        'busybox',
        'wget',
        '-qO-',
        `http://${hostAddress}:${base}/passwd`,
      );
      assert.match(neighbour.stdout, /^root/);
    }
    await daemon.docker('stop', '-t', '0', 'web');
    await refused(`http://127.0.0.1:${base}/`);
    await daemon.docker('start', 'web');
    assert.match(await served(`http://127.0.0.1:${base}/passwd`), /^root/);
  });

  test('a port on 127.0.0.1 is not reachable by the host address', async () => {
    await serve('-p', `127.0.0.1:${base + 1}:80`);
    assert.match(await served(`http://127.0.0.1:${base + 1}/passwd`), /^root/);
    if (hostAddress) await refused(`http://${hostAddress}:${base + 1}/passwd`);
  });

  test('a UDP port carries datagrams both ways', async () => {
    await importTree(daemon, 'udp', { programs: { 'bin/udp-echo': 'udp-echo.c' } });
    await daemon.docker('run', '-d', '--name', 'web', '-p', `${base + 2}:53/udp`, 'udp', 'udp-echo', '53');
    const socket = createSocket('udp4');
    try {
      const answer = new Promise<string>((resolve, reject) => {
        socket.once('message', message => resolve(message.toString()));
        setTimeout(() => reject(new Error('no answer')), 5000).unref();
      });
      // The first datagrams may come before the server; UDP drops them.
      const sending = setInterval(() => socket.send('datagram', base + 2, '127.0.0.1'), 50);
      assert.equal(await answer.finally(() => clearInterval(sending)), 'datagram');
    } finally {
      socket.close();
    }
  });

  test('-P publishes what the image exposes, and ephemeral ports are shown', async () => {
    await serve('-P', '--expose', '80');
    const { stdout } = await daemon.docker('port', 'web', '80');
    const port = /0\.0\.0\.0:(\d+)/.exec(stdout)?.[1];
    assert.match(await served(`http://127.0.0.1:${port}/passwd`), /^root/);
  });

  test('a range is published port by port', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      `${base + 10}-${base + 12}:8090-8092`,
      'busybox',
      'sh',
      '-c',
      'for p in 8090 8091 8092; do httpd -p $p -h /etc; done; sleep 1000',
    );
    for (const port of [base + 10, base + 11, base + 12])
      assert.match(await served(`http://127.0.0.1:${port}/passwd`), /^root/);
  });

  test('a taken port is a clear error, and nothing of the container runs', async () => {
    await serve('-p', `${base + 3}:80`);
    const second = await daemon.docker('run', '--name', 'other', '-p', `${base + 3}:80`, 'busybox', 'true');
    assert.equal(second.code, 125);
    assert.match(
      second.stderr,
      new RegExp(
        `driver failed programming external connectivity on endpoint other \\([0-9a-f]{64}\\): Bind for 0\\.0\\.0\\.0:${base + 3} failed: port is already allocated`,
      ),
    );
    assert.equal((await daemon.docker('inspect', '-f', '{{.State.Status}}', 'other')).stdout.trim(), 'created');
    const server = createServer();
    await new Promise<void>(done => server.listen(base + 4, '0.0.0.0', done));
    try {
      const foreign = await daemon.docker('run', '--rm', '-p', `${base + 4}:80`, 'busybox', 'true');
      assert.equal(foreign.code, 125);
      assert.match(foreign.stderr, /address already in use/);
    } finally {
      server.close();
    }
  });

  test('containers on the default bridge reach each other, the host, and not the loopback of the host', async () => {
    await serve();
    const address = (await daemon.docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web')).stdout.trim();
    assert.match((await daemon.docker('run', '--rm', 'busybox', ...fetchPasswd(address, 80))).stdout, /^root/);
    assert.match(await served(`http://${address}/passwd`), /^root/);
    const inside = await daemon.docker(
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'ip -4 addr show eth0; ip route; cat /sys/class/net/eth0/address',
    );
    assert.match(inside.stdout, /default via \d+\.\d+\.\d+\.1 dev eth0/);
  });
});
