/** The disk below the data root is full: Docker's words, a clean state, and a daemon that works on when there is room again. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { TestRegistry } from '../../packages/images/src/pull/test-registry.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { busyboxArchive } from '../harness/image.ts';
import { until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

const noSpace = /no space left on device/;

describe('a full disk', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let mount = '';
  let scratch = '';
  let pid = 0;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'gantry-full-'));
    mount = join(scratch, 'gantry-disk');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'gantry-full', mount]);
    daemon = await startDaemon({ dataRoot: mount });
    pid = daemon.pid();
    // What was saved under the name "saved" is bigger than what the tests leave free.
    const tree = join(scratch, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'big'), Buffer.alloc(8 * 1024 * 1024, 'x'));
    execFileSync('tar', ['-C', tree, '-cf', join(scratch, 'big.tar'), '.']);
    assert.equal((await daemon.docker('import', join(scratch, 'big.tar'), 'big')).code, 0);
    assert.equal((await daemon.docker('save', '-o', join(scratch, 'saved.tar'), 'big')).code, 0);
    assert.equal((await daemon.docker('rmi', 'big')).code, 0);
  });
  after(async () => {
    free();
    try {
      await daemon?.[Symbol.asyncDispose]();
    } finally {
      execFileSync('umount', [mount]);
      rmSync(scratch, { recursive: true });
    }
  });
  afterEach(async () => {
    free();
    assert.equal(daemon.pid(), pid);
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '', 'no container is left');
    const run = await daemon.docker(
      'run',
      '--rm',
      '-v',
      '/data',
      'busybox',
      'sh',
      '-c',
      'echo x >/data/x && cat /data/x',
    );
    assert.deepEqual([run.code, run.stdout], [0, 'x\n'], run.stderr);
    for (const folder of ['incoming', 'trash', 'c']) {
      const path = join(mount, 'images/overlay2', folder);
      await until(() => (readdirSync(path).length > 0 ? `${folder}: ${readdirSync(path)}` : undefined));
    }
    await until(() => (existsSync(join(mount, 'state.db-reserve')) ? undefined : 'no space is kept for the state'));
  });

  const filler = (): string => join(mount, 'filler');
  const free = (): void => rmSync(filler(), { force: true });
  /** Takes all room but `leaveBytes`. */
  const fill = (leaveBytes: number): void => {
    const fd = openSync(filler(), 'w');
    for (const block of [Buffer.alloc(65_536), Buffer.alloc(4096)]) {
      try {
        for (
          let stat = statfsSync(mount);
          stat.bavail * stat.bsize >= leaveBytes + block.length;
          stat = statfsSync(mount)
        )
          writeSync(fd, block);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
    }
    closeSync(fd);
  };

  test('an import and a load say so and leave nothing', async () => {
    const images = (await daemon.docker('images', '-aq')).stdout;
    for (const left of [4 * 1024 * 1024, 64 * 1024, 0]) {
      fill(left);
      const imported = await daemon.docker('import', join(scratch, 'big.tar'), 'big');
      assert.equal(imported.code, 1);
      assert.match(imported.stderr, noSpace, `import, ${left} left`);
      const loaded = await daemon.docker('load', '-i', join(scratch, 'saved.tar'));
      assert.equal(loaded.code, 1);
      assert.match(loaded.stderr + loaded.stdout, noSpace, `load, ${left} left`);
      assert.equal((await daemon.docker('images', '-aq')).stdout, images);
      free();
    }
    assert.equal((await daemon.docker('load', '-i', join(scratch, 'saved.tar'))).code, 0);
    assert.equal((await daemon.docker('rmi', 'big')).code, 0);
  });

  test('a pull says so, leaves nothing, and succeeds when there is room', async () => {
    await using registry = await TestRegistry.start();
    registry.putImage('big', 'v1', ['one', 'two', 'three']);
    const images = (await daemon.docker('images', '-aq')).stdout;
    for (const left of [1024 * 1024, 64 * 1024, 0]) {
      fill(left);
      const pulled = await daemon.docker('pull', `${registry.host}/big:v1`);
      assert.equal(pulled.code, 1, `${left} left: ${pulled.stdout}`);
      assert.match(pulled.stderr, noSpace, `${left} left`);
      assert.equal((await daemon.docker('images', '-aq')).stdout, images);
      free();
    }
    assert.equal((await daemon.docker('pull', `${registry.host}/big:v1`)).code, 0);
    assert.equal((await daemon.docker('rmi', `${registry.host}/big:v1`)).code, 0);
  });

  test('create says so, or works; what it made can be removed while the disk is full', async () => {
    await daemon.docker('create', '--name', 'before', 'busybox', 'true');
    await daemon.docker('run', '-d', '--name', 'running', 'busybox', 'sleep', '1000');
    fill(0);
    const created = await daemon.docker('create', '--name', 'now', 'busybox', 'true');
    if (created.code !== 0) assert.match(created.stderr, noSpace);
    const volume = await daemon.docker('volume', 'create', 'gantry-v');
    if (volume.code !== 0) assert.match(volume.stderr, noSpace);
    const started = await daemon.docker('start', 'before');
    if (started.code !== 0) assert.match(started.stderr, noSpace);
    assert.equal((await daemon.docker('ps', '-q')).code, 0);
    assert.match((await daemon.docker('exec', 'running', 'echo', 'alive')).stdout, /alive/);
    free();
    await daemon.docker('rm', '-f', 'before', 'now', 'running');
    await daemon.docker('volume', 'rm', '-f', 'gantry-v');
  });

  test('a running container can be stopped and removed while the disk is full', async () => {
    await daemon.docker('run', '-d', '--name', 'running', 'busybox', 'sleep', '1000');
    fill(0);
    const removed = await daemon.docker('rm', '-f', 'running');
    assert.equal(removed.code, 0, removed.stderr);
  });

  test('a volume that cannot be filled says so, and create leaves nothing', async () => {
    await daemon.docker('import', '--change', 'VOLUME /bin', busyboxArchive(), 'withvolume');
    fill(400 * 1024);
    const created = await daemon.docker('create', '--name', 'vol', 'withvolume', 'true');
    assert.notEqual(created.code, 0);
    assert.match(created.stderr, noSpace);
    free();
    assert.equal((await daemon.docker('volume', 'ls', '-q')).stdout, '');
    await daemon.docker('rmi', 'withvolume');
  });

  test('a container whose log and files find no room runs on, and its log goes on when there is room', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'writer',
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done',
    );
    fill(8192);
    const seen = async (): Promise<number> =>
      (await daemon.docker('logs', '--tail', '1', 'writer')).stdout.match(/\d+/g)?.map(Number).at(-1) ?? 0;
    const failing = await daemon.docker('exec', 'writer', 'sh', '-c', 'dd if=/dev/zero of=/big bs=65536 count=10');
    assert.notEqual(failing.code, 0);
    assert.match(failing.stderr, /No space left on device/);
    await new Promise(done => setTimeout(done, 500));
    assert.equal((await daemon.docker('inspect', '-f', '{{.State.Running}}', 'writer')).stdout, 'true\n');
    const stuck = await seen();
    free();
    await until(async () => ((await seen()) > stuck + 5 ? undefined : `the log stands at ${stuck}`));
    const lines = (await daemon.docker('logs', 'writer')).stdout.trim().split('\n');
    for (const line of lines) assert.match(line, /^line \d+$/, 'no half line is left');
    await daemon.docker('rm', '-f', 'writer');
  });

  test('a daemon that is killed on a full disk starts, and knows what it knew', async () => {
    const created = await daemon.docker('create', '--name', 'known', 'busybox', 'true');
    await daemon.docker('run', '-d', '--name', 'running', 'busybox', 'sleep', '1000');
    fill(0);
    await daemon.end('SIGKILL');
    await daemon.start();
    pid = daemon.pid();
    assert.equal((await daemon.docker('inspect', '-f', '{{.Id}}', 'known')).stdout, created.stdout);
    assert.equal((await daemon.docker('inspect', '-f', '{{.State.Status}}', 'running')).stdout, 'running\n');
    assert.equal((await daemon.docker('rm', '-f', 'known', 'running')).code, 0);
  });
});

describe('a full run directory', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let mount = '';
  let scratch = '';

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'gantry-full-'));
    mount = join(scratch, 'gantry-run');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=200', 'gantry-full', mount]);
    daemon = await startDaemon({ execRoot: mount });
  });
  after(async () => {
    free();
    try {
      await daemon?.[Symbol.asyncDispose]();
    } finally {
      execFileSync('umount', [mount]);
      rmSync(scratch, { recursive: true });
    }
  });

  const free = (): void => rmSync(join(mount, 'filler'), { recursive: true, force: true });
  /** Takes every block and every inode. */
  const fill = (): void => {
    mkdirSync(join(mount, 'filler'));
    try {
      writeFileSync(join(mount, 'filler', 'blocks'), Buffer.alloc(2 * 1024 * 1024));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
    try {
      for (let i = 0; ; i++) writeFileSync(join(mount, 'filler', `${i}`), '');
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  };
  const state = async (name: string): Promise<string> =>
    (await daemon.docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name)).stdout.trim();

  test('a start says so, a container that runs ends with its true status, and both work again when there is room', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'running',
      'busybox',
      'sh',
      '-c',
      'trap "exit 33" TERM; while :; do sleep 0.02; done',
    );
    await daemon.docker('create', '--name', 'waiting', 'busybox', 'sleep', '1000');
    fill();
    const started = await daemon.docker('start', 'waiting');
    assert.equal(started.code, 1);
    assert.match(started.stderr, noSpace);
    assert.equal((await daemon.docker('exec', 'running', 'echo', 'exec')).stdout, 'exec\n');
    const stopped = await daemon.docker('stop', '-t', '5', 'running');
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal(await state('running'), 'exited 33');
    free();
    assert.equal((await daemon.docker('start', 'waiting', 'running')).code, 0);
    assert.equal(await state('waiting'), 'running 0');
    assert.equal((await daemon.docker('rm', '-f', 'waiting', 'running')).code, 0);
    await until(() => {
      const left = readdirSync(join(mount, 'containers'));
      return left.length === 0 ? undefined : left.join(' ');
    });
  });
});
