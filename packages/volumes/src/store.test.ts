import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mount, SystemCallError, umount } from '@gantry/linux';
import { StateStore } from '@gantry/store';
import { type HostRun, openVolumeStore, type VolumeStore } from './index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-volumes-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The launcher's part, in this process. */
const run: HostRun = async steps => {
  for (const [index, step] of steps.entries()) {
    try {
      if (step.op === 'mount') mount(step.source ?? '', step.path, step.type ?? '', step.flags, step.data);
      else if (step.op === 'umount') umount(step.path, step.flags);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (step.op === 'umount' && step.ignore?.includes(error.errno)) continue;
      throw new Error('a step failed', { cause: { index, step, errno: error.errno } });
    }
  }
  return new Map();
};

const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };

async function withStore(name: string, work: (volumes: VolumeStore, root: string) => Promise<void>): Promise<void> {
  using store = new StateStore(':memory:');
  const root = join(scratch, name);
  await work(await openVolumeStore({ root, store, run }), root);
}

const plain = { driver: 'local', driverOptions: {}, labels: {} };

test('a volume is made with its directory, and asking again gives the same one', async () => {
  await withStore('same', async (volumes, root) => {
    const made = await volumes.create({ ...plain, name: 'data', labels: { a: 'b' } });
    assert.equal(made.mountpoint, join(root, 'data', '_data'));
    assert.ok(statSync(made.mountpoint).isDirectory());
    assert.equal(await volumes.create({ ...plain, name: 'data' }), made);
    assert.deepEqual(volumes.list(), [made]);
    assert.equal(made.anonymous, false);
  });
});

test('a volume without a name gets one of 64 hex digits and the label of anonymous volumes', async () => {
  await withStore('anonymous', async volumes => {
    const made = await volumes.create({ ...plain, name: undefined });
    assert.match(made.name, /^[0-9a-f]{64}$/);
    assert.deepEqual(made.labels, { 'com.docker.volume.anonymous': '' });
    assert.equal(made.anonymous, true);
  });
});

test('volumes are known again after a restart', async () => {
  const path = join(scratch, 'state.db');
  const root = join(scratch, 'again');
  let first: unknown;
  {
    using store = new StateStore(path);
    first = await (await openVolumeStore({ root, store, run })).create({ ...plain, name: 'data', labels: { x: '1' } });
  }
  using store = new StateStore(path);
  assert.deepEqual((await openVolumeStore({ root, store, run })).get('data'), first);
});

test('a removed volume is gone with its directory, and its name is free at once', async () => {
  await withStore('remove', async (volumes, root) => {
    const made = await volumes.create({ ...plain, name: 'data' });
    writeFileSync(join(made.mountpoint, 'x'), 'x');
    const [, again] = await Promise.all([volumes.remove('data'), volumes.create({ ...plain, name: 'data' })]);
    assert.deepEqual(readdirSync(again.mountpoint), []);
    await volumes.remove('data');
    assert.deepEqual(
      readdirSync(root).filter(name => !name.startsWith('.')),
      [],
    );
    assert.throws(() => volumes.get('data'), { kind: 'notFound', message: 'get data: no such volume' });
    await assert.rejects(volumes.remove('data'), { kind: 'notFound', message: 'get data: no such volume' });
  });
});

test('names, drivers and options that dockerd refuses are refused in its words', async () => {
  await withStore('refused', async volumes => {
    const refused = (request: Partial<Parameters<VolumeStore['create']>[0]>, kind: string, message: string) =>
      assert.rejects(volumes.create({ ...plain, name: 'ab', ...request }), { kind, message });
    const characters =
      'includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path';
    await refused({ name: 'a/b' }, 'invalidParameter', `create a/b: "a/b" ${characters}`);
    await refused({ name: '.x' }, 'invalidParameter', `create .x: ".x" ${characters}`);
    await refused(
      { name: 'a' },
      'invalidParameter',
      'create a: volume name is too short, names should be at least two alphanumeric characters',
    );
    await refused(
      { driver: 'nope' },
      'notFound',
      'create ab: error looking up volume plugin nope: plugin "nope" not found',
    );
    await refused({ driverOptions: { foo: 'x' } }, 'invalidParameter', 'create ab: invalid option: "foo"');
    await refused({ driverOptions: { type: 'x' } }, 'invalidParameter', 'create ab: missing required option: "device"');
    await refused({ driverOptions: { size: 'x' } }, 'invalidParameter', "create ab: invalid size: 'x'");
    await refused(
      { driverOptions: { size: '1m' } },
      'invalidParameter',
      'create ab: quota size requested but no quota support',
    );
    await refused({ driverOptions: { uid: 'me' } }, 'invalidParameter', 'create ab: invalid uid: "me"');
    await refused({ driverOptions: { gid: '-1' } }, 'invalidParameter', 'create ab: invalid gid: "-1"');
    await refused({ driverOptions: { mode: '0989' } }, 'invalidParameter', 'create ab: invalid mode: "0989"');
    await refused(
      { driverOptions: { type: 'none', device: '/x', o: 'bind', uid: '1' } },
      'invalidParameter',
      'create ab: size, uid, gid and mode cannot be given together with a device of type "none"',
    );
    assert.deepEqual(volumes.list(), []);
  });
});

test('an empty volume is filled from the root with owners, modes, links and attributes', ROOT, async () => {
  const root = join(scratch, 'image');
  mkdirSync(join(root, 'data', 'sub'), { recursive: true });
  writeFileSync(join(root, 'data', 'plain'), 'hello');
  execFileSync('sh', [
    '-c',
    `cd ${root}/data && chown 12:34 plain && chmod 4751 plain && ln plain sub/hard && ln -s /etc/passwd sub/link && chown -h 5:6 sub/link && mkfifo pipe && touch -d @1000000000 plain && chmod 1770 sub && chown 7:8 . && chmod 2755 . && printf x > "$(printf 'b\\377d')"`,
  ]);
  symlinkSync('/data', join(root, 'way'));
  const fd = openSync(root, 'r');
  try {
    await withStore('filled', async volumes => {
      const { mountpoint } = await volumes.create({ ...plain, name: 'data' });
      await volumes.copyUp('data', fd, '/way');
      const top = statSync(mountpoint);
      assert.deepEqual([top.uid, top.gid, top.mode & 0o7777], [7, 8, 0o2755]);
      const file = statSync(join(mountpoint, 'plain'));
      assert.deepEqual([file.uid, file.gid, file.mode & 0o7777, file.nlink], [12, 34, 0o4751, 2]);
      assert.equal(file.mtimeMs, 1_000_000_000_000);
      assert.equal(statSync(join(mountpoint, 'sub', 'hard')).ino, file.ino);
      assert.equal(statSync(join(mountpoint, 'sub')).mode & 0o7777, 0o1770);
      assert.equal(readlinkSync(join(mountpoint, 'sub', 'link')), '/etc/passwd');
      assert.ok(statSync(join(mountpoint, 'pipe')).isFIFO());
      assert.ok(readdirSync(mountpoint, { encoding: 'latin1' }).includes('b\xffd'));

      writeFileSync(join(root, 'data', 'plain'), 'changed');
      await volumes.copyUp('data', fd, '/data');
      assert.equal(
        readFileSync(join(mountpoint, 'plain'), 'utf8'),
        'hello',
        'a volume that is not empty is left alone',
      );
    });
  } finally {
    closeSync(fd);
  }
});

test('an empty directory of the image gives its owner and mode to the volume', ROOT, async () => {
  const root = join(scratch, 'empty');
  mkdirSync(join(root, 'data'), { recursive: true });
  execFileSync('sh', ['-c', `chown 70:70 ${root}/data && chmod 700 ${root}/data`]);
  const fd = openSync(root, 'r');
  try {
    await withStore('filled-empty', async volumes => {
      const { mountpoint } = await volumes.create({ ...plain, name: 'data' });
      await volumes.copyUp('data', fd, '/nowhere');
      assert.equal(statSync(mountpoint).uid, process.getuid?.());
      await volumes.copyUp('data', fd, '/data');
      const top = statSync(mountpoint);
      assert.deepEqual([top.uid, top.gid, top.mode & 0o7777], [70, 70, 0o700]);
    });
  } finally {
    closeSync(fd);
  }
});

test('a volume with o=bind is filled in the directory of the host that it shows', ROOT, async () => {
  const root = join(scratch, 'bound-image');
  const shown = join(scratch, 'bound-host');
  mkdirSync(join(root, 'data'), { recursive: true });
  writeFileSync(join(root, 'data', 'x'), 'x');
  const fd = openSync(root, 'r');
  try {
    await withStore('bound', async volumes => {
      const driverOptions = { type: 'none', o: 'bind', device: shown };
      const { mountpoint } = await volumes.create({ ...plain, name: 'data', driverOptions });
      await assert.rejects(volumes.copyUp('data', fd, '/data'), {
        message: `error while mounting volume '${mountpoint}': failed to mount local volume: mount ${shown}:${mountpoint}, flags: 0x1000: no such file or directory`,
      });
      mkdirSync(shown);
      await volumes.copyUp('data', fd, '/data');
      assert.deepEqual(readdirSync(shown), ['x']);
      await volumes.remove('data');
      assert.deepEqual(readdirSync(shown), ['x'], 'what belongs to the host stays');
    });
  } finally {
    closeSync(fd);
  }
});
