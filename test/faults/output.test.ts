/** Output without end: to clients that read slowly or not at all, and to logs. Memory and disk stay bounded. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { anonymousBytes, open, parentOf, request, until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

const MB = 1024 * 1024;
const upgrade = ['Upgrade: tcp', 'Connection: Upgrade'];

describe('output without end', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    const ids = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) assert.equal((await daemon.docker('rm', '-f', ...ids)).code, 0);
  });

  const inspect = async (name: string, format: string): Promise<string> =>
    (await daemon.docker('inspect', '-f', format, name)).stdout.trim();
  const shimOf = async (name: string): Promise<number> => parentOf(Number(await inspect(name, '{{.State.Pid}}')));

  /** Watches memory of daemon and shim while `work` goes on. @returns how much they grew at most, in MB */
  async function growth(shim: number, work: () => Promise<void>): Promise<{ daemon: number; shim: number }> {
    const start = { daemon: anonymousBytes(daemon.pid()), shim: anonymousBytes(shim) };
    const most = { daemon: 0, shim: 0 };
    const look = (): void => {
      most.daemon = Math.max(most.daemon, anonymousBytes(daemon.pid()) - start.daemon);
      most.shim = Math.max(most.shim, anonymousBytes(shim) - start.shim);
    };
    const timer = setInterval(look, 20);
    try {
      await work();
      look();
    } finally {
      clearInterval(timer);
    }
    return { daemon: most.daemon / MB, shim: most.shim / MB };
  }

  function assertFlat(grown: { daemon: number; shim: number }): void {
    assert.ok(grown.daemon < 24, `the daemon grew by ${grown.daemon.toFixed(1)} MB`);
    assert.ok(grown.shim < 4, `the shim grew by ${grown.shim.toFixed(1)} MB`);
  }

  /** 0 in the moment of a rotation. */
  const inodeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
  const attach = (name: string): Promise<Socket> =>
    open(daemon.socket, request('POST', `/containers/${name}/attach?stream=1&stdout=1`, undefined, upgrade));

  /** Reads `total` bytes and says how fast. */
  function drain(socket: Socket, total: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let seen = 0;
      socket.on('data', chunk => {
        seen += chunk.length;
        if (seen < total) return;
        socket.removeAllListeners('data');
        socket.pause();
        resolve();
      });
      socket.once('close', () => reject(new Error(`ended after ${seen} bytes`)));
      socket.resume();
    });
  }

  const flood = [
    'sh',
    '-c',
    'while [ ! -e /go ]; do sleep 0.02; done; i=0; while dd if=/dev/zero bs=1048576 count=1 2>/dev/null; do i=$((i+1)); echo $i >/count; done',
  ];
  const startFlood = async (name: string): Promise<void> => {
    await daemon.docker('run', '-d', '--log-driver', 'none', '--name', name, 'busybox', ...flood);
  };
  const go = (name: string): Promise<unknown> => daemon.docker('exec', name, 'touch', '/go');
  const count = async (name: string): Promise<number> =>
    Number((await daemon.docker('exec', name, 'sh', '-c', 'cat /count 2>/dev/null || echo 0')).stdout);

  test('a client that is attached and does not read stops the container’s writes, nothing grows, others are served', async () => {
    await startFlood('still');
    const shim = await shimOf('still');
    const socket = await attach('still');
    socket.pause();
    const grown = await growth(shim, async () => {
      await go('still');
      await until(async () => {
        const before = await count('still');
        await delay(300);
        return (await count('still')) === before ? undefined : 'the container goes on writing';
      });
      assert.ok((await count('still')) < 20, 'at most the buffers were filled');
      assert.equal((await daemon.docker('run', '--rm', 'busybox', 'echo', 'other')).stdout, 'other\n');
      assert.equal(
        (await daemon.docker('exec', 'still', 'echo', 'exec')).stdout,
        'exec\n',
        'execs of it have their own way',
      );
    });
    assertFlat(grown);
    const stuck = await count('still');
    socket.destroy();
    await until(async () => ((await count('still')) > stuck + 50 ? undefined : 'the container is still blocked'));
  });

  test('a gigabyte to a client that reads, and one that stops in between, leaves memory flat', async () => {
    await startFlood('gigabyte');
    const shim = await shimOf('gigabyte');
    const socket = await attach('gigabyte');
    const grown = await growth(shim, async () => {
      await go('gigabyte');
      await drain(socket, 500 * MB);
      await delay(500);
      await drain(socket, 500 * MB);
    });
    socket.destroy();
    assertFlat(grown);
  });

  test('an exec whose client does not read blocks alone', async () => {
    await daemon.docker('run', '-d', '--name', 'host', 'busybox', 'sleep', '1000');
    const shim = await shimOf('host');
    const { body } = await daemon.api('POST', '/containers/host/exec', {
      Cmd: [
        'sh',
        '-c',
        'i=0; while dd if=/dev/zero bs=1048576 count=1 2>/dev/null; do i=$((i+1)); echo $i >/count; done',
      ],
      AttachStdout: true,
    });
    const { Id } = JSON.parse(body) as { Id: string };
    const grown = await growth(shim, async () => {
      const socket = await open(
        daemon.socket,
        request('POST', `/exec/${Id}/start`, '{"Detach":false,"Tty":false}', upgrade),
      );
      socket.pause();
      await delay(700);
      const stuck = await count('host');
      assert.ok(stuck < 20, `${stuck} MB were written`);
      assert.equal((await daemon.docker('exec', 'host', 'echo', 'here')).stdout, 'here\n');
      socket.destroy();
    });
    assertFlat(grown);
  });

  test('readers of a log that do not read cost nothing, and the container writes on', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'logger',
      '--log-opt',
      'max-size=5m',
      '--log-opt',
      'max-file=2',
      'busybox',
      'yes',
      'x'.repeat(200),
    );
    const shim = await shimOf('logger');
    const path = await inspect('logger', '{{.LogPath}}');
    // Its first lines warm the daemon's decoder up.
    await daemon.docker('logs', '--tail', '20000', 'logger');
    const sockets: Socket[] = [];
    const grown = await growth(shim, async () => {
      for (let i = 0; i < 10; i++) {
        const socket = await open(daemon.socket, request('GET', '/containers/logger/logs?stdout=1&follow=1'));
        sockets.push(socket.pause());
      }
      const ino = inodeOf(path);
      await until(() => (inodeOf(path) !== ino ? undefined : 'the log does not go on'));
      await delay(500);
      const start = performance.now();
      assert.equal((await daemon.api('GET', '/containers/json')).status, 200);
      assert.ok(performance.now() - start < 500, 'the daemon answers');
    });
    for (const socket of sockets) socket.destroy();
    assert.ok(grown.daemon < 40, `the daemon grew by ${grown.daemon.toFixed(1)} MB for ten readers`);
    assert.ok(grown.shim < 4, `the shim grew by ${grown.shim.toFixed(1)} MB`);
  });

  test('a flood into a log takes no more disk than max-size times max-file', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'bounded',
      '--log-opt',
      'max-size=1m',
      '--log-opt',
      'max-file=3',
      'busybox',
      'yes',
      'y'.repeat(100),
    );
    const path = await inspect('bounded', '{{.LogPath}}');
    const size = (): number =>
      readdirSync(dirname(path))
        .filter(name => name.includes('-json.log'))
        .reduce((sum, name) => {
          try {
            return sum + statSync(join(dirname(path), name)).size;
          } catch {
            return sum;
          }
        }, 0);
    let last = 0;
    let rotations = 0;
    let most = 0;
    await until(() => {
      const inode = inodeOf(path);
      if (inode !== last) rotations++;
      last = inode;
      most = Math.max(most, size());
      return rotations > 12 ? undefined : `${rotations} rotations so far`;
    }, 30_000);
    assert.ok(most < 3.6 * 1e6 + 512 * 1024, `${most} bytes of log`);
    const lines = (await daemon.docker('logs', '--tail', '1000', 'bounded')).stdout.trim().split('\n');
    assert.equal(lines.length, 1000);
    assert.ok(
      lines.every(line => line === 'y'.repeat(100)),
      'every line is whole',
    );
  });

  test('lines without end and garbage are logged in pieces', async () => {
    await daemon.docker(
      'run',
      '--name',
      'garbage',
      'busybox',
      'sh',
      '-c',
      'head -c 300000 /dev/zero | tr "\\0" z; head -c 300000 /dev/urandom; echo; echo end',
    );
    const { stdout } = await daemon.docker('logs', 'garbage');
    assert.match(stdout, /^z{300000}/);
    assert.match(stdout, /end\n$/);
  });
});
