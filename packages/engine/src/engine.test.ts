import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import { AttachedClient, EngineBench, needsContainers } from './testing/engine-bench.ts';

const quiet = { stdin: false, stdout: true, stderr: true, detachKeys: Uint8Array.of(), stream: true, logs: false };

test(
  'a container is created, started, waited for, read and removed, and nothing of it is left',
  needsContainers,
  async () => {
    await using bench = new EngineBench();
    const { containers } = await bench.open();
    const id = await bench.create(['sh', '-c', 'echo out; echo err >&2; exit 3'], {}, {}, 'web');
    assert.equal((await containers.inspect('web', { size: false })).State.Status, 'created');
    await containers.start('web');
    assert.equal(await bench.waitFor(id), 3);
    assert.deepEqual((await bench.logs(id)).split('\n').sort(), ['', 'err', 'out']);
    const { State } = await containers.inspect(id.slice(0, 5), { size: false });
    assert.deepEqual([State.Status, State.ExitCode, State.Pid, State.Error], ['exited', 3, 0, '']);
    await containers.remove('web', { force: false, volumes: false, link: false });
    await assert.rejects(containers.inspect(id, { size: false }), {
      message: `No such container: ${id}`,
      kind: 'notFound',
    });
    await bench.close();
    for (const folder of ['data/containers', 'data/trash', 'run/containers']) {
      assert.deepEqual(readdirSync(join(bench.root, folder)), [], folder);
    }
  },
);

test(
  'a container that runs is listed, signalled, paused, executed in, renamed and killed',
  needsContainers,
  async () => {
    await using bench = new EngineBench();
    const { containers, execs } = await bench.open();
    const id = await bench.create(['sleep', '1000'], { Labels: { tier: 'a' } }, {}, 'one');
    await containers.start(id);
    await assert.rejects(containers.start(id), { kind: 'notModified' });
    const [listed] = await containers.list({
      all: false,
      limit: 0,
      size: false,
      filters: new Map([['label', new Set(['tier'])]]),
    });
    assert.match(listed?.Status ?? '', /^Up /);
    await assert.rejects(containers.remove('one', { force: false, volumes: false, link: false }), {
      message:
        'cannot remove container "one": container is running: stop the container before removing or force remove',
    });
    await containers.pause(id);
    assert.match(
      (await containers.list({ all: false, limit: 0, size: false, filters: new Map() }))[0]?.Status ?? '',
      /\(Paused\)$/,
    );
    await assert.rejects(containers.start(id), { message: 'cannot start a paused container, try unpause instead' });
    await containers.unpause(id);

    const { Id: execId } = await execs.create(id, execConfig(['sh', '-c', 'cat; exit 7']));
    const client = await AttachedClient.connect(await execs.startAttached(execId, { tty: false }));
    client.end('hello\n');
    assert.equal((await client.received).slice(8), 'hello\n');
    const inspected = await execs.inspect(execId);
    assert.deepEqual([inspected.Running, inspected.ExitCode], [false, 7]);

    await containers.rename(id, 'two');
    await assert.rejects(containers.inspect('one', { size: false }), { kind: 'notFound' });
    const { Titles, Processes } = await containers.top('two', '');
    assert.equal(Processes[0]?.[Titles.indexOf('CMD')], 'sleep 1000');
    await containers.kill('two', undefined);
    assert.equal((await containers.inspect(id, { size: false })).State.ExitCode, 137);
  },
);

test('an attached client writes to the container and reads its output until it ends', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers } = await bench.open();
  const id = await bench.create(['cat'], { OpenStdin: true, StdinOnce: true, AttachStdin: true });
  const prepared = await containers.attach(id, { ...quiet, stdin: true, multiplexed: false });
  const client = await AttachedClient.connect(prepared);
  await containers.start(id);
  client.end('through the pipe\n');
  assert.match(await client.received, /through the pipe\n$/);
  assert.equal(await bench.waitFor(id), 0);
});

test('a --rm container is gone with its anonymous volume when it ends', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers, volumes } = await bench.open();
  const id = await bench.create(['cat', '/data/seed'], { Volumes: { '/data': {} } }, { AutoRemove: true });
  assert.equal((await volumes.list(new Map())).Volumes.length, 1);
  const client = await AttachedClient.connect(await containers.attach(id, { ...quiet, multiplexed: false }));
  const removed = bench.waitFor(id, 'removed');
  await containers.start(id);
  assert.equal(await client.received, 'from the image\n');
  assert.equal(await removed, 0);
  assert.equal((await volumes.list(new Map())).Volumes.length, 0);
  await assert.rejects(containers.inspect(id, { size: false }), { kind: 'notFound' });
});

test(
  'a program that is not there fails the start with 127 and leaves the container created',
  needsContainers,
  async () => {
    await using bench = new EngineBench();
    const { containers } = await bench.open();
    const id = await bench.create(['nosuch']);
    await assert.rejects(containers.start(id), /executable file not found in \$PATH/);
    const { State } = await containers.inspect(id, { size: false });
    assert.deepEqual([State.Status, State.ExitCode], ['created', 127]);
    assert.match(State.Error, /executable file not found/);
  },
);

test('containers run on while the engine is away, and are taken over by the next one', needsContainers, async () => {
  await using bench = new EngineBench();
  await bench.open();
  const stays = await bench.create(['sleep', '1000'], {}, {}, 'stays');
  const flag = join(bench.root, 'flag');
  mkdirSync(flag);
  const Binds = [`${flag}:/flag`];
  const untilAway = 'while [ ! -e /flag/away ]; do sleep 0.02; done';
  const ends = await bench.create(['sh', '-c', `${untilAway}; exit 5`], {}, { Binds }, 'ends');
  const goes = await bench.create(['sh', '-c', untilAway], {}, { Binds, AutoRemove: true }, 'goes');
  for (const id of [stays, ends, goes]) await bench.engine.containers.start(id);
  const { Id: execId } = await bench.engine.execs.create(stays, execConfig(['sh', '-c', 'sleep 1; exit 9']));
  await bench.engine.execs.startDetached(execId);
  const frozen = await bench.create(['sleep', '1000'], {}, {}, 'frozen');
  await bench.engine.containers.start(frozen);
  await bench.engine.containers.pause(frozen);
  const { State: before } = await bench.engine.containers.inspect(stays, { size: false });
  await bench.close();
  mkdirSync(join(flag, 'away'));
  for (const id of [ends, goes]) await fileExists(join(bench.root, 'run/containers', id), 'exit');

  const { containers, execs, events } = await bench.open();
  const { State: after } = await containers.inspect('stays', { size: false });
  assert.deepEqual(after, before);
  assert.equal((await containers.inspect('frozen', { size: false })).State.Status, 'paused');
  await containers.unpause('frozen');
  assert.equal((await containers.inspect('ends', { size: false })).State.ExitCode, 5);
  const gone = await containers.inspect('goes', { size: false }).catch(() => undefined);
  if (gone) assert.equal(await bench.waitFor(goes, 'removed').catch(() => 0), 0);
  if ((await execs.inspect(execId)).Running) {
    const filters = new Map([['event', new Set(['exec_die'])]]);
    for await (const { Actor } of events.subscribe({ sinceNs: 0n, filters }, AbortSignal.timeout(10_000))) {
      if (Actor.Attributes.execID === execId) break;
    }
  }
  assert.equal((await execs.inspect(execId)).ExitCode, 9);
  const { Id } = await execs.create(stays, execConfig(['echo', 'still here']));
  const client = await AttachedClient.connect(await execs.startAttached(Id, { tty: false }));
  assert.equal((await client.received).slice(8), 'still here\n');
  await containers.stop(stays, { timeoutSeconds: 0 });
  assert.equal((await containers.inspect(stays, { size: false })).State.ExitCode, 137);
});

test('what the state store does not know is ended and removed at the next start', needsContainers, async () => {
  await using bench = new EngineBench();
  await bench.open();
  const id = await bench.create(['sleep', '1000']);
  await bench.engine.containers.start(id);
  const { State } = await bench.engine.containers.inspect(id, { size: false });
  await bench.close();
  {
    // As if the create had never been acknowledged.
    using store = new StateStore(join(bench.root, 'data/state.db'));
    await store.write(db => db.exec('DELETE FROM containers'));
  }
  mkdirSync(join(bench.root, 'run/containers', '0'.repeat(64)));
  mkdirSync(join(bench.root, 'data/containers', '0'.repeat(64)));
  await bench.open();
  assert.ok(!isAlive(State.Pid));
  await bench.close();
  for (const folder of ['data/containers', 'data/trash', 'run/containers', 'data/images/overlay2/c']) {
    const path = join(bench.root, folder);
    if (existsSync(path)) assert.deepEqual(readdirSync(path), [], folder);
  }
});

test(
  'without live restore the containers stop with the engine and their policy starts them again',
  needsContainers,
  async () => {
    await using bench = new EngineBench({ liveRestore: false });
    const first = await bench.open();
    const plain = await bench.create(['sleep', '1000'], { StopSignal: 'KILL' });
    const always = await bench.create(
      ['sleep', '1000'],
      { StopSignal: 'KILL' },
      { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } },
    );
    for (const id of [plain, always]) await first.containers.start(id);
    await bench.close();
    const { containers, events } = await bench.open();
    for await (const { Action, Actor } of events.subscribe(
      { sinceNs: 0n, filters: new Map() },
      AbortSignal.timeout(20_000),
    )) {
      if (Action === 'start' && Actor.ID === always) break;
    }
    assert.equal((await containers.inspect(always, { size: false })).State.Status, 'running');
    assert.equal((await containers.inspect(plain, { size: false })).State.Status, 'exited');
  },
);

test('a restart policy starts the container again, and a stop by a person ends that', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers, events } = await bench.open();
  const id = await bench.create(
    ['sh', '-c', 'exit 1'],
    {},
    { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } },
  );
  const actions: string[] = [];
  const seen = (async () => {
    for await (const { Action } of events.subscribe(
      { filters: new Map([['container', new Set([id])]]) },
      AbortSignal.timeout(20_000),
    )) {
      actions.push(Action);
      if (actions.filter(action => action === 'die').length === 3) return;
    }
  })();
  await containers.start(id);
  await seen;
  assert.deepEqual(actions.filter(action => action === 'start').length, 3);
  const { State, RestartCount } = await containers.inspect(id, { size: false });
  assert.deepEqual([State.Status, RestartCount], ['exited', 2]);
});

test(
  'when a shim is killed its container is ended, even a paused one, and reported as killed',
  needsContainers,
  async () => {
    await using bench = new EngineBench();
    const { containers } = await bench.open();
    const id = await bench.create(['sleep', '1000']);
    await containers.start(id);
    const { State } = await containers.inspect(id, { size: false });
    await containers.pause(id);
    const done = bench.waitFor(id, 'next-exit');
    process.kill(parentOf(State.Pid), 'SIGKILL');
    assert.equal(await done, 137);
    assert.ok(!isAlive(State.Pid));
    assert.match((await containers.inspect(id, { size: false })).State.Error, /shim .* was killed/);
  },
);

/** A process that has ended may be a zombie until someone reaps it. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Resolves when the shim has written the file: its container ended. */
function fileExists(folder: string, name: string): Promise<void> {
  return new Promise(resolve => {
    const watcher = watch(folder, () => check());
    const check = (): void => {
      if (!existsSync(join(folder, name))) return;
      watcher.close();
      resolve();
    };
    check();
  });
}

function execConfig(command: string[]): Parameters<EngineBench['engine']['execs']['create']>[1] {
  return {
    User: '',
    Privileged: false,
    Tty: false,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    DetachKeys: '',
    Env: null,
    WorkingDir: '',
    Cmd: command,
  };
}
