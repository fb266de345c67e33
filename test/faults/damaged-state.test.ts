/** Files of the daemon that someone removed or damaged: a clear error for what needs them, and everything else works. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

describe('damaged state', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  beforeEach(async () => {
    daemon = await startDaemon();
  });
  afterEach(() => daemon?.[Symbol.asyncDispose]());

  const runDir = (id: string): string => join(daemon.root, 'run/containers', id.trim());
  const again = async (damage: () => void): Promise<void> => {
    await daemon.end('SIGKILL');
    damage();
    await daemon.start();
  };
  const status = async (name: string): Promise<string> =>
    (
      await daemon.docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}', name)
    ).stdout.trim();
  const works = async (): Promise<void> => {
    const run = await daemon.docker('run', '--rm', 'busybox', 'echo', 'works');
    assert.equal(run.stdout, 'works\n', run.stderr);
  };

  test('a layer whose files vanished: the container cannot start and says why, others work, it can be removed', async () => {
    await daemon.docker('create', '--name', 'hollow', 'busybox', 'true');
    await daemon.docker('tag', 'busybox', 'again');
    const layers = join(daemon.dataRoot, 'images/overlay2/l');
    const saved = readdirSync(layers);
    for (const layer of saved) rmSync(join(layers, layer), { recursive: true });
    const start = await daemon.docker('start', 'hollow');
    assert.equal(start.code, 1);
    assert.match(start.stderr, /no such file or directory|does not exist|missing/);
    const created = await daemon.docker('create', 'busybox', 'true');
    if (created.code === 0) await daemon.docker('rm', created.stdout.trim());
    assert.equal((await daemon.docker('ps', '-a')).code, 0);
    assert.equal((await daemon.docker('rm', 'hollow')).code, 0);
    await again(() => {});
    assert.equal((await daemon.docker('ps', '-a')).code, 0);
    const untagged = await daemon.docker('rmi', '-f', 'again', 'busybox');
    assert.equal(untagged.code, 0, untagged.stderr);
    const { busyboxArchive } = await import('../harness/image.ts');
    assert.equal((await daemon.docker('import', busyboxArchive(), 'busybox')).code, 0);
    await works();
  });

  test('a container whose own directory or writable layer vanished does not stop the start, and can be removed', async () => {
    const one = (await daemon.docker('create', '--name', 'one', 'busybox', 'true')).stdout.trim();
    const two = (await daemon.docker('create', '--name', 'two', 'busybox', 'true')).stdout.trim();
    await again(() => {
      rmSync(join(daemon.dataRoot, 'containers', one), { recursive: true });
      rmSync(join(daemon.dataRoot, 'images/overlay2/c', two), { recursive: true });
    });
    const inspected = await daemon.docker('inspect', 'one', 'two');
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.equal((await daemon.docker('start', 'two')).code, 1);
    const removed = await daemon.docker('rm', '-f', 'one', 'two');
    assert.equal(removed.code, 0, removed.stderr);
    await works();
  });

  test('a state database that is damaged is named, with what to do, and nothing is overwritten', async () => {
    await daemon.docker('create', '--name', 'known', 'busybox', 'true');
    await daemon.end('SIGTERM');
    const database = join(daemon.dataRoot, 'state.db');
    copyFileSync(database, `${database}.kept`);
    writeSync(openSync(database, 'r+'), Buffer.alloc(4096, 0x5a), 0, 4096, 0);
    await assert.rejects(daemon.start(), error => {
      assert.match(
        String(error),
        /failed to start daemon: open the state database .*state\.db: .*(not a database|malformed)/,
      );
      assert.match(String(error), /restore it from a backup/);
      return true;
    });
    rmSync(`${database}-wal`, { force: true });
    rmSync(`${database}-shm`, { force: true });
    copyFileSync(`${database}.kept`, database);
    await daemon.start();
    assert.equal(await status('known'), 'created 0');
  });

  test('a log of the database that was cut loses at most what was not yet acknowledged, and is no reason not to start', async () => {
    await daemon.docker('create', '--name', 'known', 'busybox', 'true');
    await daemon.end('SIGKILL');
    const log = join(daemon.dataRoot, 'state.db-wal');
    writeSync(openSync(log, 'a'), Buffer.alloc(10_000, 0xa5));
    await daemon.start();
    assert.equal(await status('known'), 'created 0');
    await works();
  });

  test('a run directory without its socket: the container is ended and reported, nothing of it runs on unseen', async () => {
    const id = (await daemon.docker('run', '-d', '--name', 'lost', 'busybox', 'sleep', '1000')).stdout;
    const pid = Number((await daemon.docker('inspect', '-f', '{{.State.Pid}}', 'lost')).stdout);
    await again(() => rmSync(join(runDir(id), 'shim.sock')));
    assert.match(await status('lost'), /^exited 137 ./);
    await until(() => (existsSync(`/proc/${pid}`) ? `process ${pid} runs on` : undefined));
    assert.equal((await daemon.docker('start', 'lost')).code, 0);
  });

  test('a run directory that vanished, and one that nobody knows, are dealt with', async () => {
    const id = (await daemon.docker('run', '-d', '--name', 'lost', 'busybox', 'sleep', '1000')).stdout;
    const foreign = 'f'.repeat(64);
    assert.equal(await status('lost'), 'running 0');
    await again(() => {
      rmSync(runDir(id), { recursive: true });
      mkdirSync(runDir(foreign));
      writeFileSync(join(runDir(foreign), 'anything'), 'x');
      writeFileSync(join(daemon.root, 'run/containers/a-file'), 'x');
    });
    assert.match(await status('lost'), /^exited 137 ./);
    await until(() => (existsSync(runDir(foreign)) ? 'the unknown run directory stays' : undefined));
    await works();
  });

  test('an exit file with garbage, or a socket that is none, is no reason not to start', async () => {
    const texts = ['', 'garbage', '\0\0\0\0', '{}', '999999999999999999999 1 2'];
    const ids = await Promise.all(
      texts.map(
        async (_, index) =>
          (await daemon.docker('run', '-d', '--name', `c${index}`, 'busybox', 'sleep', '1000')).stdout,
      ),
    );
    const plain = (await daemon.docker('run', '-d', '--name', 'plain', 'busybox', 'sleep', '1000')).stdout;
    const looped = (await daemon.docker('run', '-d', '--name', 'looped', 'busybox', 'sleep', '1000')).stdout;
    await again(() => {
      for (const [index, id] of ids.entries()) writeFileSync(join(runDir(id), 'exit'), texts[index] ?? '');
      rmSync(join(runDir(plain), 'shim.sock'));
      writeFileSync(join(runDir(plain), 'shim.sock'), 'no socket');
      rmSync(join(runDir(looped), 'shim.sock'));
      symlinkSync('shim.sock', join(runDir(looped), 'shim.sock'));
    });
    const { stdout } = await daemon.docker('ps', '-a', '--format', '{{.Names}} {{.State}}');
    assert.equal(stdout.trim().split('\n').length, texts.length + 2);
    await works();
  });

  test('someone else who listens in place of a shim does not hold up the start', async () => {
    const id = (await daemon.docker('run', '-d', '--name', 'held', 'busybox', 'sleep', '1000')).stdout;
    await daemon.end('SIGKILL');
    const path = join(runDir(id), 'shim.sock');
    rmSync(path);
    const impostor = createServer(socket => socket.on('error', () => {}).write(Buffer.alloc(3000, 0xff)));
    // The path of a socket is bounded.
    symlinkSync(runDir(id), join(daemon.root, 's'));
    await new Promise<void>(done => impostor.listen(join(daemon.root, 's/shim.sock'), done));
    try {
      await daemon.start();
      await works();
      assert.match(await status('held'), /^(exited 137|running 0)/);
    } finally {
      impostor.close();
    }
  });

  test('a log file with garbage, or none, is read as far as it is one', async () => {
    await daemon.docker('run', '--name', 'speaker', 'busybox', 'sh', '-c', 'echo one; echo two');
    const path = (await daemon.docker('inspect', '-f', '{{.LogPath}}', 'speaker')).stdout.trim();
    writeSync(openSync(path, 'a'), '{"log":"half');
    assert.match((await daemon.docker('logs', 'speaker')).stdout, /^one\ntwo\n/);
    truncateSync(path, 0);
    writeFileSync(
      path,
      Buffer.concat([
        Buffer.alloc(100_000, 0xee),
        Buffer.from('\n{"log":"good\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n'),
      ]),
    );
    const read = await daemon.docker('logs', 'speaker');
    assert.ok(read.code === 0 || read.stderr !== '', 'an answer');
    rmSync(path);
    assert.equal((await daemon.docker('logs', 'speaker')).stdout, '');
    await works();
  });
});
