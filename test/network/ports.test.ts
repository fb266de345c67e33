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

  test('ports change while the container runs, and the change outlives the daemon', async () => {
    await serve('-p', `${base + 5}:80`, '-p', '80');
    const free = /0\.0\.0\.0:(\d+)/g;
    const chosen = [...(await daemon.docker('port', 'web', '80')).stdout.matchAll(free)]
      .map(([, port]) => Number(port))
      .find(port => port !== base + 5);
    await served(`http://127.0.0.1:${base + 5}/passwd`);
    const { code, stderr } = await daemon.gantry(
      ...['update', '--publish-add', `127.0.0.1:${base + 6}:80`, '--publish-rm', `${base + 5}:80`, 'web'],
    );
    assert.equal(code, 0, stderr);
    const asPublished = async (): Promise<void> => {
      assert.match(await get(`http://127.0.0.1:${base + 6}/passwd`), /^root/);
      assert.match(await get(`http://[::1]:${chosen}/passwd`), /^root/, 'the port that was chosen freely stays');
      await refused(`http://127.0.0.1:${base + 5}/passwd`);
      await refused(`http://[::1]:${base + 5}/passwd`);
    };
    await asPublished();
    await daemon.end('SIGKILL');
    await daemon.start();
    await asPublished();
    // What was given up is free, what was taken is not.
    const other = (port: number) => daemon.docker('run', '--rm', '-p', `${port}:80`, 'busybox', 'true');
    assert.equal((await other(base + 5)).code, 0);
    assert.match((await other(base + 6)).stderr, /port is already allocated/);
    await daemon.docker('restart', '-t', '0', 'web');
    await served(`http://127.0.0.1:${base + 6}/passwd`);
    await refused(`http://127.0.0.1:${base + 5}/passwd`);
  });

  test('a change that cannot be had changes nothing', async () => {
    await serve('-p', `${base + 5}:80`);
    await served(`http://127.0.0.1:${base + 5}/passwd`);
    const server = createServer();
    await new Promise<void>(done => server.listen(base + 7, '0.0.0.0', done));
    try {
      const { code, stderr } = await daemon.gantry(
        ...[
          'update',
          '--publish-rm',
          '80',
          '--publish-add',
          `${base + 8}:80`,
          '--publish-add',
          `${base + 7}:80`,
          'web',
        ],
      );
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`failed to bind host port for 0\\.0\\.0\\.0:${base + 7}:.*address already in use`),
      );
    } finally {
      server.close();
    }
    assert.match(await get(`http://127.0.0.1:${base + 5}/passwd`), /^root/);
    assert.match(await get(`http://[::1]:${base + 5}/passwd`), /^root/);
    await refused(`http://127.0.0.1:${base + 8}/passwd`);
    const { stdout } = await daemon.docker('inspect', '-f', '{{json .HostConfig.PortBindings}}', 'web');
    assert.deepEqual(JSON.parse(stdout), { '80/tcp': [{ HostIp: '', HostPort: String(base + 5) }] });
    const bad = await daemon.api('POST', '/containers/web/update', { PortBindings: { '80/x': [{ HostPort: '1' }] } });
    assert.equal(bad.status, 400);
    assert.match(bad.body, /invalid protocol in port specification/);
  });

  test('starts that fight for one port: one has it, the others are told', async () => {
    const rivals = Array.from({ length: 8 }, (_, index) => `rival${index}`);
    const results = await Promise.all(
      rivals.map(name =>
        daemon.docker('run', '-d', '--name', name, '-p', `${base + 9}:80`, 'busybox', 'httpd', '-f', '-h', '/etc'),
      ),
    );
    assert.deepEqual(results.map(({ code }) => code).toSorted(), [0, ...Array(7).fill(125)]);
    for (const { code, stderr } of results) if (code !== 0) assert.match(stderr, /port is already allocated/);
    await served(`http://127.0.0.1:${base + 9}/passwd`);
    await daemon.docker('rm', '-f', ...rivals);
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
