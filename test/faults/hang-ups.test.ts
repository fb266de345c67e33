/** Clients that go away in the middle, send slowly, or never read: nothing of them stays, and nobody else notices. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { anonymousBytes, descriptors, open, parentOf, request, until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

describe('clients that hang up', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let pid = 0;
  let before_ = 0;
  before(async () => {
    daemon = await startDaemon();
    pid = daemon.pid();
    await daemon.docker('run', '--rm', 'busybox', 'true');
    await daemon.docker(
      'run',
      '-di',
      '--name',
      'target',
      'busybox',
      'sh',
      '-c',
      'while :; do echo tick; sleep 0.05; done',
    );
    before_ = descriptors(pid).length;
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    assert.equal(daemon.pid(), pid);
    await until(() => {
      const now = descriptors(pid);
      return now.length <= before_ ? undefined : `${now.length} descriptors, ${before_} before: ${now.join(' ')}`;
    });
    await until(async () => {
      const { stdout } = await daemon.docker('ps', '-a', '--format', '{{.Names}}');
      return stdout === 'target\n' ? undefined : `containers: ${stdout}`;
    });
    await until(() => {
      const runs = readdirSync(join(daemon.root, 'run/containers'));
      return runs.length === 1 ? undefined : `run directories: ${runs.join(' ')}`;
    });
  });

  const shimOf = async (name: string): Promise<number> =>
    parentOf(Number((await daemon.docker('inspect', '-f', '{{.State.Pid}}', name)).stdout));
  const upgrade = ['Upgrade: tcp', 'Connection: Upgrade'];

  test('during create: the container is not there, or is whole', async () => {
    const body = JSON.stringify({ Image: 'busybox', Cmd: ['true'], Volumes: { '/data': {} } });
    for (let i = 0; i < 40; i++) {
      const socket = await open(daemon.socket, request('POST', `/containers/create?name=gone${i}`, body), false);
      await delay(i % 8);
      socket.destroy();
    }
    await delay(200);
    const left = (await daemon.docker('ps', '-aq', '--filter', 'name=gone')).stdout.split('\n').filter(Boolean);
    for (const id of left) assert.equal((await daemon.docker('start', id)).code, 0);
    if (left.length > 0) await daemon.docker('rm', '-fv', ...left);
    assert.equal((await daemon.docker('volume', 'ls', '-q')).stdout, '', 'no volume is left');
  });

  test('during start: the container runs or does not', async () => {
    for (let i = 0; i < 20; i++) {
      await daemon.api('POST', `/containers/create?name=gone${i}`, { Image: 'busybox', Cmd: ['sleep', '1000'] });
      const socket = await open(daemon.socket, request('POST', `/containers/gone${i}/start`), false);
      await delay(i % 10);
      socket.destroy();
    }
    const states = (await daemon.docker('ps', '-a', '--filter', 'name=gone', '--format', '{{.State}}')).stdout;
    assert.match(states, /^((created|running)\n){20}$/);
    const ids = (await daemon.docker('ps', '-aq', '--filter', 'name=gone')).stdout.split('\n').filter(Boolean);
    assert.equal((await daemon.docker('rm', '-f', ...ids)).code, 0);
  });

  test('during wait, logs -f, events and stats-like streams', async () => {
    const paths: readonly (readonly [string, string])[] = [
      ['POST', '/containers/target/wait'],
      ['POST', '/containers/target/wait?condition=removed'],
      ['GET', '/containers/target/logs?stdout=1&follow=1'],
      ['GET', '/containers/target/logs?stdout=1&follow=1&tail=0'],
      ['GET', '/events'],
    ];
    for (let round = 0; round < 20; round++) {
      const sockets = await Promise.all(
        paths.map(([method, path]) => open(daemon.socket, request(method, path), path !== '/events')),
      );
      for (const socket of sockets) socket.destroy();
    }
  });

  test('during attach and exec: the shim lets go of them', async () => {
    const shim = await shimOf('target');
    const held = descriptors(shim).length;
    for (let round = 0; round < 20; round++) {
      const attached = await open(
        daemon.socket,
        request('POST', '/containers/target/attach?stream=1&stdin=1&stdout=1&stderr=1', undefined, upgrade),
      );
      const created = await daemon.api('POST', '/containers/target/exec', {
        Cmd: ['cat'],
        AttachStdin: true,
        AttachStdout: true,
      });
      const { Id } = JSON.parse(created.body) as { Id: string };
      const exec = await open(
        daemon.socket,
        request('POST', `/exec/${Id}/start`, '{"Detach":false,"Tty":false}', upgrade),
      );
      attached.destroy();
      exec.destroy();
    }
    await until(async () => {
      const top = await daemon.docker('top', 'target');
      return top.stdout.includes(' cat') ? 'execs that nobody feeds still run' : undefined;
    });
    await until(() => (descriptors(shim).length <= held ? undefined : `the shim holds ${descriptors(shim).join(' ')}`));
    assert.equal(
      (await daemon.docker('inspect', '-f', '{{.State.Running}}', 'target')).stdout,
      'true\n',
      'attachments are not its life',
    );
  });

  test('before the start of a container that they attached to', async () => {
    await daemon.docker('create', '-i', '--name', 'later', 'busybox', 'echo', 'here');
    for (let round = 0; round < 10; round++) {
      const socket = await open(
        daemon.socket,
        request('POST', '/containers/later/attach?stream=1&stdin=1&stdout=1&stderr=1', undefined, upgrade),
      );
      socket.destroy();
    }
    assert.equal((await daemon.docker('start', '-a', 'later')).stdout, 'here\n');
    await daemon.docker('rm', 'later');
  });

  test('during a pull from a registry that is silent', async () => {
    const { createServer } = await import('node:net');
    const asked: Socket[] = [];
    const registry = createServer(socket => {
      asked.push(socket.resume().on('error', () => {}));
    });
    await new Promise<void>(done => registry.listen(0, '127.0.0.1', done));
    const address = registry.address();
    assert.ok(typeof address === 'object' && address);
    try {
      const sockets: Socket[] = [];
      for (let round = 0; round < 5; round++) {
        sockets.push(
          await open(
            daemon.socket,
            request('POST', `/images/create?fromImage=127.0.0.1:${address.port}/x&tag=t${round}`),
            false,
          ),
        );
      }
      await until(() => (asked.length > 0 ? undefined : 'the registry was not asked'));
      for (const socket of sockets) socket.destroy();
      await until(() => (asked.every(socket => socket.destroyed || socket.readableEnded) ? undefined : 'pulls go on'));
    } finally {
      for (const socket of asked) socket.destroy();
      registry.close();
    }
  });

  test('five hundred idle connections, a hundred slow ones and a hundred aborted ones hurt nobody', async () => {
    const sockets: Socket[] = [];
    const quiet = (socket: Socket): Socket => socket.on('error', () => {});
    for (let i = 0; i < 500; i++) sockets.push(quiet(connect(daemon.socket)));
    const slow: Socket[] = [];
    for (let i = 0; i < 100; i++) slow.push(quiet(connect(daemon.socket)));
    sockets.push(...slow);
    const text = request('GET', '/_ping');
    let at = 0;
    const timer = setInterval(() => {
      const byte = text[at++];
      if (byte !== undefined) for (const socket of slow) socket.write(byte);
    }, 1000);
    for (let i = 0; i < 100; i++) {
      const socket = quiet(connect(daemon.socket));
      socket.write('POST /containers/create HTTP/1.1\r\nContent-Length: 100\r\n', () => socket.destroy());
    }
    try {
      const times: number[] = [];
      for (let i = 0; i < 20; i++) {
        const start = performance.now();
        assert.equal((await daemon.api('GET', '/containers/json')).status, 200);
        times.push(performance.now() - start);
      }
      times.sort((a, b) => a - b);
      assert.ok((times[10] ?? 0) < 50, `half of the lists took ${times[10]} ms`);
      assert.equal((await daemon.docker('ps', '-q')).code, 0);
      assert.equal((await daemon.docker('run', '--rm', 'busybox', 'echo', 'quick')).stdout, 'quick\n');
    } finally {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    }
  });

  test('thousands of them leave no memory behind', async () => {
    const round = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) {
        const sockets = await Promise.all([
          open(daemon.socket, request('GET', '/containers/target/logs?stdout=1&follow=1&tail=1')),
          open(daemon.socket, request('POST', '/containers/target/wait')),
          open(daemon.socket, request('GET', '/events'), false),
        ]);
        for (const socket of sockets) socket.destroy();
      }
    };
    // The heap grows until it is worth collecting: what counts is what comes after that.
    for (let i = 0; i < 24; i++) await round();
    const first = anonymousBytes(pid);
    for (let i = 0; i < 8; i++) await round();
    const grown = anonymousBytes(pid) - first;
    assert.ok(grown < 16 * 1024 * 1024, `grew by ${(grown / 1e6).toFixed(1)} MB in 2400 streams`);
  });
});
