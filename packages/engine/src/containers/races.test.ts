import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as tick } from 'node:timers/promises';
import { AttachedClient, EngineBench, needsContainers } from '../testing/engine-bench.ts';

const output = { stdin: false, stdout: true, stderr: true, detachKeys: Uint8Array.of(), stream: true, logs: false };

test('a client that attaches while a container is being launched is served by that run', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers, jobs } = await bench.open();
  const id = await bench.create(['sh', '-c', 'read line; echo $line'], { OpenStdin: true });
  const prepared = await containers.attach(id, { ...output, stdin: true, multiplexed: false });
  const started = containers.start(id);
  const launches = (): boolean => [...jobs.running].some(({ spans }) => spans.at(-1)?.name === 'launch');
  while (!launches()) await tick();
  const client = await AttachedClient.connect(prepared);
  await started;
  client.send('hear me\n');
  assert.match(await client.received, /^hear me\n$/);
});

test(
  'who waits for a container that its policy cannot start again hears that it stays down',
  needsContainers,
  async () => {
    await using bench = new EngineBench();
    const { containers, events } = await bench.open();
    const abort = new AbortController();
    const deaths = events.subscribe({ filters: new Map([['event', new Set(['die'])]]) }, abort.signal);
    const id = await bench.create(
      ['sh', '-c', 'rm /bin/sh; exit 3'],
      {},
      {
        RestartPolicy: { Name: 'always', MaximumRetryCount: 0 },
      },
    );
    await containers.start(id);
    for await (const _ of deaths) break;
    assert.equal((await containers.inspect(id, { size: false })).State.Status, 'restarting');
    assert.equal(await bench.waitFor(id), 127);
    abort.abort();
  },
);

test('a paused container that survives a signal to stop has its health checked again', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers, events } = await bench.open();
  const id = await bench.create(['sh', '-c', "trap '' HUP; while :; do sleep 1000; done"], {
    Healthcheck: { Test: ['CMD', 'true'], Interval: 50e6 },
  });
  await containers.start(id);
  await containers.pause(id);
  await containers.kill(id, 'HUP');
  assert.equal((await containers.inspect(id, { size: false })).State.Status, 'running');
  const abort = new AbortController();
  for await (const _ of events.subscribe({ filters: new Map([['event', new Set(['exec_die'])]]) }, abort.signal)) break;
});

test('two commits of one container at the same time both succeed, and it runs on', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers } = await bench.open();
  const id = await bench.create(['sleep', '1000']);
  await containers.start(id);
  const request = { repository: '', tag: '', author: '', comment: '', pause: true, changes: [], config: undefined };
  const { signal } = new AbortController();
  const ids = await Promise.all([0, 1].map(() => containers.commit(id, request, signal)));
  for (const image of ids) assert.match(image, /^sha256:/);
  assert.equal((await containers.inspect(id, { size: false })).State.Status, 'running');
});

test(
  'an exit while the launcher is away is told, and what it had mounted is unmounted with the container',
  needsContainers,
  async context => {
    await using bench = new EngineBench();
    const { containers, events } = await bench.open();
    const id = await bench.create(['sleep', '1000'], {}, { IpcMode: 'shareable' });
    await containers.start(id);
    const abort = new AbortController();
    const deaths = events.subscribe({ filters: new Map([['event', new Set(['die'])]]) }, abort.signal);
    const run = bench.launcher.run.bind(bench.launcher);
    const away = context.mock.method(bench.launcher, 'run', (...args: Parameters<typeof run>) =>
      args[0].some(({ op }) => op === 'umount') ? Promise.reject(new Error('the launcher ended')) : run(...args),
    );
    await containers.kill(id, 'KILL');
    for await (const { Actor } of deaths) {
      assert.equal(Actor.Attributes.exitCode, '137');
      break;
    }
    const { State } = await containers.inspect(id, { size: false });
    assert.deepEqual([State.Status, State.ExitCode, State.Error], ['exited', 137, '']);
    assert.ok(away.mock.callCount() > 0);
    away.mock.restore();
    await containers.remove(id, { force: false, volumes: false, link: false });
  },
);

test(
  'three hundred clients that wait for a container are all served by its start, but one that has gone',
  needsContainers,
  async () => {
    await using bench = new EngineBench();
    const { containers } = await bench.open();
    const id = await bench.create(['sh', '-c', 'read line; echo $line'], { OpenStdin: true, StdinOnce: false });
    const attach = async (): Promise<AttachedClient> =>
      AttachedClient.connect(await containers.attach(id, { ...output, stdin: true, multiplexed: false }));
    const gone = new Socket();
    const prepared = await containers.attach(id, { ...output, multiplexed: false });
    await prepared.connect({ kind: 'socket', socket: gone, head: Buffer.alloc(0) });
    gone.destroy();
    const clients = await Promise.all(Array.from({ length: 300 }, attach));
    await containers.start(id);
    clients[299]?.send('hear me\n');
    for (const client of clients) assert.match(await client.received, /^hear me\n$/);
  },
);

test('a volume is kept for a container that is being made with it', needsContainers, async () => {
  await using bench = new EngineBench();
  const { containers, volumes } = await bench.open();
  await volumes.create({ Name: 'wanted', Driver: '', DriverOpts: {}, Labels: {} });
  const made = bench.create(['true'], {}, { Binds: ['wanted:/wanted'] });
  await assert.rejects(
    volumes.remove('wanted', false),
    /^GantryError: remove wanted: volume is in use - \[[0-9a-f]{64}\]$/,
  );
  const id = await made;
  await containers.start(id);
  assert.equal(await bench.waitFor(id), 0);
  await containers.remove(id, { force: false, volumes: false, link: false });
  await volumes.remove('wanted', false);
});
