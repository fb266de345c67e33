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
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { file, mount, SystemCallError, umount } from '@gantry/linux';
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

test('a large tree is filled with its attributes, holes and what belongs to root', ROOT, async () => {
  const root = join(scratch, 'large');
  mkdirSync(join(root, 'data', 'many'), { recursive: true });
  for (let index = 0; index < 60; index++) {
    writeFileSync(join(root, 'data', 'many', String(index)), Buffer.alloc(index * 1000, index), { mode: 0o640 });
  }
  writeFileSync(join(root, 'data', 'big'), Buffer.alloc(3_000_001, 'big '));
  execFileSync('sh', ['-c', `cd ${root}/data && truncate -s 5M holes && printf end >> holes && ln many/8 again`]);
  for (const name of ['many', 'many/7']) {
    const path = join(root, 'data', name);
    assert.equal(file.trySetAttributeAt(file.AT_FDCWD, path, 'user.mark', Buffer.from(name)), 0);
  }
  const fd = openSync(root, 'r');
  try {
    await withStore('large-volume', async volumes => {
      const { mountpoint } = await volumes.create({ ...plain, name: 'data' });
      await volumes.copyUp('data', fd, '/data');
      execFileSync('diff', ['-r', join(root, 'data'), mountpoint]);
      assert.ok(statSync(join(mountpoint, 'holes')).blocks * 512 < 100_000, 'holes take no space');
      const { uid, gid, mode } = statSync(join(mountpoint, 'many', '59'));
      assert.deepEqual([uid, gid, mode & 0o7777], [0, 0, 0o640]);
      assert.equal(statSync(join(mountpoint, 'again')).ino, statSync(join(mountpoint, 'many', '8')).ino);
      for (const name of ['many', 'many/7']) {
        const mark = file.attributeAt(file.AT_FDCWD, join(mountpoint, name), 'user.mark');
        assert.equal(mark?.toString(), name);
      }
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

const tmpfs = { type: 'tmpfs', device: 'tmpfs', o: 'size=64k' };
const mounts = (place: string): number =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter(line => line.split(' ')[1] === place).length;

test('a volume with a device is mounted from its first use to its last', ROOT, async () => {
  await withStore('uses', async volumes => {
    const { mountpoint } = await volumes.create({ ...plain, name: 'data', driverOptions: tmpfs });
    await Promise.all([volumes.acquire('data', 'a'), volumes.acquire('data', 'b'), volumes.acquire('data', 'a')]);
    assert.equal(mounts(mountpoint), 1);
    assert.deepEqual([...volumes.usersOf('data')], ['a', 'b']);
    await assert.rejects(volumes.remove('data'), {
      kind: 'conflict',
      message: 'remove data: volume has active mounts',
    });
    await volumes.release('data', 'a');
    assert.equal(mounts(mountpoint), 1);
    await volumes.release('data', 'nobody');
    await volumes.release('data', 'b');
    assert.equal(mounts(mountpoint), 0);
    await volumes.remove('data');
  });
});

test('a mount that fails is told in dockerd’s words, without the password, and leaves nothing', ROOT, async () => {
  await withStore('fails', async volumes => {
    const driverOptions = { type: 'tmpfs', device: 'x', o: 'nosuid,password=secret,odd=1' };
    const { mountpoint } = await volumes.create({ ...plain, name: 'data', driverOptions });
    await assert.rejects(volumes.acquire('data', 'a'), {
      kind: 'system',
      message: `error while mounting volume '${mountpoint}': failed to mount local volume: mount x:${mountpoint}, flags: 0x2, data: password=********,odd=1: invalid argument`,
    });
    assert.equal(mounts(mountpoint), 0);
    assert.deepEqual([...volumes.usersOf('data')], []);
    await volumes.remove('data');
  });
});

test('the next store takes over what is used and ends what a crash has left', ROOT, async () => {
  const root = join(scratch, 'crashed');
  const path = join(scratch, 'crashed.db');
  {
    using store = new StateStore(path);
    const volumes = await openVolumeStore({ root, store, run });
    for (const name of ['used', 'unused']) {
      await volumes.create({ ...plain, name, driverOptions: tmpfs });
      await volumes.acquire(name, 'a');
    }
    for (const name of ['half', 'gone', 'lost']) await volumes.create({ ...plain, name });
    mkdirSync(join(root, 'half', '.staging/x'), { recursive: true });
    mkdirSync(join(root, '.trash'), { recursive: true });
    // A removal that ended between the rename and the commit, and a directory that somebody removed by hand.
    renameSync(join(root, 'gone'), join(root, '.trash', 'gone@1'));
    rmSync(join(root, 'lost'), { recursive: true });
  }
  using store = new StateStore(path);
  const volumes = await openVolumeStore({ root, store, run });
  await volumes.adopt(new Map([['used', new Set(['a'])]]));
  const place = (name: string): string => join(root, name, '_data');
  assert.deepEqual([mounts(place('used')), mounts(place('unused'))], [1, 0]);
  assert.deepEqual(
    volumes.list().map(({ name }) => name),
    ['half', 'lost', 'unused', 'used'],
  );
  assert.deepEqual(readdirSync(join(root, 'half')), ['_data']);
  await volumes.release('used', 'a');
  assert.equal(mounts(place('used')), 0);
});

test('what is filled while others look is filled in its place, and goes on after it was cut short', ROOT, async () => {
  const root = join(scratch, 'seen-image');
  mkdirSync(join(root, 'data', 'sub'), { recursive: true });
  for (const name of ['one', 'two', 'sub/three']) writeFileSync(join(root, 'data', name), name);
  const fd = openSync(root, 'r');
  try {
    await withStore('seen', async volumes => {
      const { mountpoint } = await volumes.create({ ...plain, name: 'data' });
      await volumes.acquire('data', 'a');
      const inode = statSync(mountpoint).ino;
      await volumes.copyUp('data', fd, '/data');
      assert.equal(statSync(mountpoint).ino, inode);
      assert.deepEqual(readdirSync(mountpoint).sort(), ['one', 'sub', 'two']);
      // As a kill in the middle leaves it.
      rmSync(join(mountpoint, 'sub/three'));
      writeFileSync(join(mountpoint, 'one'), 'written since');
      writeFileSync(join(mountpoint, '.gantry-partial-two'), 'tw');
      writeFileSync(join(mountpoint, '..', '.unfinished'), '');
      await volumes.copyUp('data', fd, '/data');
      assert.equal(readFileSync(join(mountpoint, 'sub/three'), 'utf8'), 'sub/three');
      assert.equal(readFileSync(join(mountpoint, 'one'), 'utf8'), 'written since');
      assert.deepEqual(readdirSync(mountpoint).sort(), ['one', 'sub', 'two']);
      assert.deepEqual(readdirSync(join(mountpoint, '..')), ['_data']);
    });
  } finally {
    closeSync(fd);
  }
});
