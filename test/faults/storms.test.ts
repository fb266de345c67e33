/** Many things at once to many containers, or to one: what is answered is true, and nothing is left behind. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupsOf } from '../harness/cgroups.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { descriptors, open, parentOf, request, until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

describe('storms', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let kept = 0;
  before(async () => {
    daemon = await startDaemon();
    await daemon.docker('run', '--rm', 'busybox', 'true');
    kept = descriptors(daemon.pid()).length;
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    const ids = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await daemon.docker('rm', '-f', ...ids);
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '');
    await until(() => {
      const left = leavings();
      return left.length === 0 ? undefined : left.join('\n');
    });
  });

  /** What removed containers must not have left: run directories, cgroups, links, elements of the firewall, mounts, descriptors. */
  function leavings(): string[] {
    const runs = readdirSync(join(daemon.root, 'run/containers'));
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter(
        line =>
          line.includes(join(daemon.root, 'run/containers')) || line.includes(join(daemon.dataRoot, 'containers')),
      );
    const links = readdirSync('/sys/class/net').filter(link =>
      existsSync(`/sys/class/net/${daemon.bridge}/brif/${link}`),
    );
    const cgroups = ids.filter(id => cgroupsOf(id).some(existsSync));
    const open = descriptors(daemon.pid());
    return [
      ...runs,
      ...mounts,
      ...links,
      ...cgroups,
      ...(open.length > kept ? [`${open.length} descriptors, ${kept} before: ${open.join(' ')}`] : []),
    ];
  }
  const ids: string[] = [];

  const create = async (name: string, body: object = {}): Promise<string> => {
    const answer = await daemon.api('POST', `/containers/create?name=${name}`, {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      ...body,
    });
    assert.equal(answer.status, 201, answer.body);
    const { Id } = JSON.parse(answer.body) as { Id: string };
    ids.push(Id);
    return Id;
  };
  const stateOf = async (name: string): Promise<{ Status: string; ExitCode: number; Error: string; Pid: number }> =>
    JSON.parse((await daemon.docker('inspect', '-f', '{{json .State}}', name)).stdout);
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

  test('fifty containers that start and are killed at the same time', async () => {
    await Promise.all(
      numbers(50).map(index =>
        create(`k${index}`, { HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } } }),
      ),
    );
    await Promise.all(
      numbers(50).map(async index => {
        const start = daemon.api('POST', `/containers/k${index}/start`);
        await delay(index % 7);
        const kill = await daemon.api('POST', `/containers/k${index}/kill`);
        assert.ok([204, 409].includes(kill.status), kill.body);
        const started = await start;
        assert.equal(started.status, 204, started.body);
      }),
    );
    await Promise.all(numbers(50).map(index => daemon.api('POST', `/containers/k${index}/stop?t=0`)));
    for (const index of numbers(50)) {
      const state = await stateOf(`k${index}`);
      assert.deepEqual([state.Status, state.ExitCode, state.Pid], ['exited', 137, 0]);
    }
  });

  test('stop, start, restart, kill, pause, rename and rm of one container at once end in one state', async () => {
    for (let round = 0; round < 8; round++) {
      await create('one');
      await daemon.api('POST', '/containers/one/start');
      const verbs = [
        'stop?t=0',
        'start',
        'restart?t=0',
        'kill',
        'pause',
        'unpause',
        'stop?t=0',
        'start',
        'wait',
        'restart?t=0',
      ];
      const answers = verbs.map(verb =>
        daemon.api('POST', `/containers/one/${verb}`).then(({ status, body }) => ({ verb, status, body })),
      );
      await delay(round * 5);
      const removed = await daemon.api('DELETE', '/containers/one?force=1');
      assert.equal(removed.status, 204, removed.body);
      for (const { verb, status, body } of await Promise.all(answers)) {
        // dockerd gives these status 500.
        const failed =
          /^(restart|stop|unpause)/.test(verb) &&
          /marked for removal|not running|No such container|is not paused/.test(body);
        assert.ok([200, 204, 304, 404, 409].includes(status) || failed, `${verb}: ${status} ${body}`);
      }
      assert.equal((await daemon.api('GET', '/containers/one/json')).status, 404);
    }
  });

  test('of many who remove one container one succeeds, the others hear of it', async () => {
    await create('wanted');
    await daemon.api('POST', '/containers/wanted/start');
    const answers = await Promise.all(numbers(10).map(() => daemon.api('DELETE', '/containers/wanted?force=1')));
    assert.equal(answers.filter(({ status }) => status === 204).length, 1);
    assert.ok(
      answers.every(({ status }) => [204, 404, 409].includes(status)),
      JSON.stringify(answers),
    );
  });

  test('rm during exec, exec during exit: the client gets an answer', async () => {
    for (let round = 0; round < 10; round++) {
      await create('busy');
      await daemon.api('POST', '/containers/busy/start');
      const execs = numbers(6).map(() => daemon.docker('exec', 'busy', 'sh', '-c', 'sleep 1000'));
      await delay(round * 4);
      const removed = await daemon.api('DELETE', '/containers/busy?force=1');
      assert.equal(removed.status, 204, removed.body);
      for (const { code, stderr } of await Promise.all(execs)) assert.notEqual(code, 0, stderr);
    }
    for (let round = 0; round < 10; round++) {
      await create('brief', { Cmd: ['sleep', '0.05'] });
      await daemon.api('POST', '/containers/brief/start');
      const answers = await Promise.all(
        numbers(6).map(async index => {
          await delay(index * 15);
          return daemon.docker('exec', 'brief', 'true');
        }),
      );
      for (const { code, stdout, stderr } of answers)
        assert.ok(code === 0 || code === 137 || stderr + stdout !== '', `${code} ${stderr}`);
      assert.equal((await daemon.api('DELETE', '/containers/brief?force=1')).status, 204);
    }
  });

  test('a container that always fails is started again with growing pauses, over restarts of the daemon too, until it is removed', async () => {
    await Promise.all(
      numbers(8).map(index =>
        create(`again${index}`, { Cmd: ['false'], HostConfig: { RestartPolicy: { Name: 'always' } } }),
      ),
    );
    await Promise.all(numbers(8).map(index => daemon.api('POST', `/containers/again${index}/start`)));
    await until(async () =>
      Number((await daemon.docker('inspect', '-f', '{{.RestartCount}}', 'again0')).stdout) >= 2
        ? undefined
        : 'it was not restarted',
    );
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await daemon.end(signal);
      await daemon.start();
      await until(async () => {
        const { stdout } = await daemon.docker('ps', '-a', '--format', '{{.State}}');
        return /^((restarting|running)\n){8}$/.test(stdout) ? undefined : stdout;
      });
    }
    kept = descriptors(daemon.pid()).length;
    assert.equal((await daemon.docker('stop', '-t', '0', 'again0')).code, 0);
    assert.equal((await stateOf('again0')).Status, 'exited');
    const removed = await daemon.docker('rm', '-f', ...numbers(8).map(index => `again${index}`));
    assert.equal(removed.code, 0, removed.stderr);
  });

  test('shims and launcher that are killed at random while eight clients work: every answer is true, the rest is cleaned up', async () => {
    await daemon.docker('run', '--rm', 'busybox', 'true');
    const children = (): number[] =>
      readdirSync('/proc')
        .filter(name => /^\d+$/.test(name))
        .map(Number)
        .filter(pid => {
          try {
            return parentOf(pid) === daemon.pid();
          } catch {
            return false;
          }
        });
    let working = true;
    let killed = 0;
    const shimsKilled = new Set<string>();
    const killer = (async () => {
      while (working) {
        await delay(15 + Math.random() * 40);
        const run = readdirSync(join(daemon.root, 'run/containers'));
        const id = run[Math.floor(Math.random() * run.length)];
        const [launcher] = children();
        if (Math.random() < 0.25 && launcher !== undefined) {
          try {
            process.kill(launcher, 'SIGKILL');
            killed++;
          } catch {}
        } else if (id !== undefined) {
          const pid = Number((await daemon.docker('inspect', '-f', '{{.State.Pid}}', id)).stdout);
          if (!(pid > 0)) continue;
          try {
            const shim = parentOf(pid);
            if (!readFileSync(`/proc/${shim}/cmdline`, 'utf8').includes('gantry')) continue;
            process.kill(shim, 'SIGKILL');
            shimsKilled.add(id);
            killed++;
          } catch {
            // It has ended by itself meanwhile.
          }
        }
      }
    })();
    const truths: string[] = [];
    await Promise.all(
      numbers(8).map(async lane => {
        // A fast machine is through with eight rounds before anything much was killed.
        for (let round = 0; round < 8 || (killed <= 5 && round < 200); round++) {
          const name = `s${lane}x${round}`;
          const id = await create(name, {
            HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
          });
          const start = await daemon.api('POST', `/containers/${name}/start`);
          assert.ok(start.status === 204 || start.status >= 500, `${start.status} ${start.body}`);
          if (start.status !== 204) assert.match(start.body, /launcher|shim/, 'the reason is named');
          await delay(Math.random() * 30);
          const state = await stateOf(name);
          if (state.Status === 'exited' && shimsKilled.has(id)) {
            assert.equal(state.ExitCode, 137);
            assert.match(state.Error, /shim/);
            truths.push(id);
          }
          const removed = await daemon.api('DELETE', `/containers/${name}?force=1`);
          assert.equal(removed.status, 204, removed.body);
        }
      }),
    ).finally(() => {
      working = false;
    });
    await killer;
    assert.ok(killed > 5, `${killed} were killed`);
    await until(async () =>
      (await daemon.docker('run', '--rm', 'busybox', 'echo', 'works')).stdout === 'works\n'
        ? undefined
        : 'the launcher is not back',
    );
    kept = descriptors(daemon.pid()).length;
  });

  test('attached clients of a container whose shim is killed are let go', async () => {
    await create('orphan', { Cmd: ['sh', '-c', 'while :; do echo x; sleep 0.01; done'] });
    await daemon.api('POST', '/containers/orphan/start');
    const socket = await open(
      daemon.socket,
      request('POST', '/containers/orphan/attach?stream=1&stdout=1', undefined, [
        'Upgrade: tcp',
        'Connection: Upgrade',
      ]),
    );
    const closed = new Promise(done => socket.once('close', done));
    const { Pid } = await stateOf('orphan');
    const waited = daemon.docker('wait', 'orphan');
    process.kill(parentOf(Pid), 'SIGKILL');
    socket.resume();
    await closed;
    assert.equal((await waited).stdout, '137\n');
    await until(() => (existsSync(`/proc/${Pid}`) ? 'its process runs on' : undefined));
  });
});
