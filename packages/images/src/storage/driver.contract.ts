import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { file, projectQuota } from '@gantry/linux';
import type { RootMount } from '../face.ts';
import { endOfArchive, type PlainMember, paddingAfter, plainHeader } from '../tar/writer.ts';
import { LayerIntake } from '../unpack/layer-intake.ts';
import { Workers } from '../worker/workers.ts';
import type { StorageDriver } from './driver.ts';
import { rebuildLayer } from './rebuild-layer.ts';

type Content = Readonly<Record<string, string>>;

/**
 * What every storage driver must do, on a real folder and with real mounts. `open` makes one on an empty directory.
 * A name that ends with a slash is a directory, one whose content begins with `->` a symbolic link.
 */
export function storageDriverContract(
  name: string,
  open: (root: string, workers: Workers) => Promise<StorageDriver>,
): void {
  describe(`the storage driver ${name}`, { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
    const run = async (
      work: (driver: StorageDriver, root: string) => Promise<void>,
      quotaOn?: 'ext4' | 'xfs',
    ): Promise<void> => {
      const folder = mkdtempSync(join(tmpdir(), 'gantry-driver-'));
      const root = join(folder, name);
      mkdirSync(root);
      const workers = new Workers(2);
      try {
        if (quotaOn) mountWithQuota(quotaOn, folder, root);
        await work(await open(root, workers), root);
      } finally {
        await workers[Symbol.asyncDispose]();
        if (quotaOn) spawnSync('umount', [root]);
        rmSync(folder, { recursive: true, force: true });
      }
    };

    test('layers on top of each other show the union, with what upper ones hide hidden', () =>
      run(async (driver, root) => {
        await layer(driver, 'a', undefined, {
          'etc/': '',
          'etc/one': '1',
          'etc/two': '2',
          'var/': '',
          'var/x': 'x',
          'd/': '',
          'd/old': 'old',
        });
        await layer(driver, 'b', 'a', {
          'etc/.wh.one': '',
          'etc/three': '3',
          '.wh.var': '',
          'd/.wh..wh..opq': '',
          'd/new': 'new',
        });
        await layer(driver, 'c', 'b', { 'etc/one': 'again', link: '->etc' });
        await driver.createContainer('container', ['a', 'b', 'c'], { volatile: false });
        withRoot(driver.containerRoot('container'), root, at => {
          assert.equal(read(at, 'etc/one'), 'again');
          assert.equal(read(at, 'etc/two'), '2');
          assert.equal(read(at, 'link/three'), '3');
          assert.ok(!existsSync(join(at, 'var')));
          assert.ok(!existsSync(join(at, 'd/old')));
          assert.equal(read(at, 'd/new'), 'new');
        });
      }));

    test('what a container writes stays in its own layer, and is there again at the next mount', () =>
      run(async (driver, root) => {
        await layer(driver, 'a', undefined, { file: 'base' });
        for (const volatile of [false, true]) {
          const id = `container-${volatile}`;
          await driver.createContainer(id, ['a'], { volatile });
          withRoot(driver.containerRoot(id), root, at => {
            assert.equal(statSync(at).mode & 0o777, 0o755);
            writeFileSync(join(at, 'file'), 'changed');
          });
          withRoot(driver.containerRoot(id), root, at => assert.equal(read(at, 'file'), 'changed'));
        }
        await driver.createContainer('other', ['a'], { volatile: false });
        withRoot(driver.containerRoot('other'), root, at => assert.equal(read(at, 'file'), 'base'));
      }));

    test('the archive of a layer comes back bit for bit', () =>
      run(async driver => {
        await layer(driver, 'a', undefined, { 'dir/': '', 'dir/one': 'one' });
        const { bytes, diffId } = await layer(driver, 'b', 'a', { 'dir/two': 'two', 'dir/.wh.one': '' });
        const back = Buffer.concat(
          Array.from(rebuildLayer(driver.layerPath('b'), diffId), piece => Buffer.from(piece)),
        );
        assert.ok(back.equals(bytes));
      }));

    test('an image without layers and one with a hundred and thirty can be mounted', () =>
      run(async (driver, root) => {
        await driver.createContainer('empty', [], { volatile: false });
        withRoot(driver.containerRoot('empty'), root, at => assert.ok(existsSync(at)));
        const names: string[] = [];
        for (let i = 0; i < 130; i++) {
          await layer(driver, `n${i}`, names.at(-1), { [`f${i}`]: String(i) });
          names.push(`n${i}`);
        }
        await driver.createContainer('tall', names, { volatile: false });
        withRoot(driver.containerRoot('tall'), root, at => {
          assert.equal(read(at, 'f0'), '0');
          assert.equal(read(at, 'f129'), '129');
        });
      }));

    test('a writable layer with a limit is refused where the file system has no project quota', () =>
      run(async (driver, root) => {
        if (hasQuota(root)) return;
        await layer(driver, 'a', undefined, { x: 'a' });
        await assert.rejects(driver.createContainer('bounded', ['a'], { volatile: false, limitBytes: 1e6 }), {
          kind: 'system',
          message:
            driver.name === 'vfs'
              ? 'Filesystem does not support, or has not enabled quotas'
              : "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        });
        assert.deepEqual(driver.containers(), []);
        assert.deepEqual(await driver.leftovers(), []);
      }));

    for (const fileSystem of ['ext4', 'xfs'] as const) {
      test(
        `a writable layer on ${fileSystem} holds no more than its limit, whatever others hold`,
        {
          skip: quotaSkip(fileSystem),
        },
        () =>
          run(async (driver, root) => {
            await layer(driver, 'a', undefined, { x: 'a' });
            const mebibyte = 1024 * 1024;
            await driver.createContainer('free', ['a'], { volatile: false });
            await driver.createContainer('small', ['a'], { volatile: false, limitBytes: 4 * mebibyte });
            await driver.createContainer('large', ['a'], { volatile: false, limitBytes: 8 * mebibyte });
            // As a container's process is: root without CAP_SYS_RESOURCE, which is above quotas on ext4.
            const fill = (id: string): number => {
              let written = 0;
              withRoot(driver.containerRoot(id), root, at => {
                const path = join(at, 'filling');
                const dd = ['dd', 'if=/dev/zero', `of=${path}`, 'bs=1M', 'count=12', 'oflag=sync'];
                const { stderr } = spawnSync('setpriv', ['--bounding-set', '-sys_resource', ...dd], {
                  encoding: 'utf8',
                });
                written = statSync(path).size;
                if (written < 12 * mebibyte) assert.match(stderr, /Disk quota exceeded|No space left on device/);
              });
              return written / mebibyte;
            };
            const [small, large, free] = [fill('small'), fill('large'), fill('free')];
            assert.ok(small >= 2 && small <= 4, `${small} MiB of 4`);
            assert.ok(large >= 6 && large <= 8, `${large} MiB of 8`);
            assert.equal(free, 12);
            // A new one begins empty, and may have a project of one that is gone.
            await rm(await driver.discardContainer('small'), { recursive: true });
            await driver.createContainer('small', ['a'], { volatile: false, limitBytes: 4 * mebibyte });
            assert.equal(fill('small'), small);
          }, fileSystem),
      );
    }

    test('the same layer twice in one stack can be mounted', () =>
      run(async (driver, root) => {
        await layer(driver, 'a', undefined, { x: 'a' });
        await layer(driver, 'b', 'a', { x: 'b' });
        await driver.createContainer('twice', ['a', 'b', 'a'], { volatile: false });
        withRoot(driver.containerRoot('twice'), root, at => assert.equal(read(at, 'x'), 'a'));
      }));

    test('containers are listed with what they stand on, and vanish at once', () =>
      run(async driver => {
        await layer(driver, 'a', undefined, { x: 'a' });
        await driver.createContainer('one', ['a'], { volatile: true });
        await driver.createContainer('two', ['a'], { volatile: false });
        assert.deepEqual(driver.containers().sort(), ['one', 'two']);
        assert.deepEqual(driver.containerLower('one'), ['a']);
        assert.ok(existsSync(driver.containerTree('one')));
        await assert.rejects(driver.createContainer('one', ['a'], { volatile: false }));
        const trash = await driver.discardContainer('one');
        assert.deepEqual(driver.containers(), ['two']);
        assert.throws(() => driver.containerRoot('one'), { kind: 'notFound' });
        assert.deepEqual(await driver.leftovers(), [trash]);
        await rm(trash, { recursive: true });
        assert.deepEqual(await driver.layers(), ['a']);
      }));
  });
}

const read = (root: string, path: string): string => readFileSync(join(root, path), 'utf8');

async function layer(driver: StorageDriver, name: string, below: string | undefined, content: Content) {
  const parts = Object.entries(content).flatMap(([path, text]) => {
    const link = text.startsWith('->') ? text.slice(2) : undefined;
    const type = path.endsWith('/') ? 'directory' : link === undefined ? 'file' : 'symlink';
    const sizeBytes = type === 'file' ? Buffer.byteLength(text) : 0;
    const member: PlainMember = { name: path, type, mode: 0o755, sizeBytes, mtime: 1000, linkName: link ?? '' };
    return [plainHeader(member), Buffer.from(type === 'file' ? text : ''), paddingAfter(sizeBytes)];
  });
  const bytes = Buffer.concat([...parts, endOfArchive()]);
  const directory = await driver.incoming();
  await driver.prepare(directory, below === undefined ? undefined : driver.layerPath(below));
  using intake = new LayerIntake(directory, driver.form, { maxEntries: 1000, maxBytes: 1e6 });
  intake.push(bytes);
  const { diffId } = intake.finish();
  await driver.accept(directory, name);
  return { bytes, diffId };
}

/** Mounts a root as the runtime would, for as long as `use` runs. */
function withRoot(root: RootMount, folder: string, use: (at: string) => void): void {
  if (root.kind === 'directory') {
    use(root.path);
    return;
  }
  const at = join(folder, 'gantry-mount');
  execFileSync('mkdir', ['-p', at]);
  // Paths relative to the layers' folder: all of them must fit the page that mount(2) takes.
  const base = join(root.lower[0] ?? '', '..', '..');
  const lower = root.lower.map(path => path.slice(base.length + 1)).join(':');
  const options = `lowerdir=${lower},upperdir=${root.upper},workdir=${root.work}${root.volatile ? ',volatile' : ''}`;
  execFileSync('mount', ['-i', '-t', 'overlay', 'gantry-test', '-o', options, at], { cwd: base });
  try {
    use(at);
  } finally {
    execFileSync('umount', [at]);
  }
}

function hasQuota(path: string): boolean {
  const fd = file.openAt(file.AT_FDCWD, file.byteString(path), file.O_RDONLY | file.O_DIRECTORY);
  try {
    return projectQuota.enforcesProjectLimits(fd, undefined);
  } finally {
    file.closeDescriptor(fd);
  }
}

const MAKE = {
  ext4: ['mkfs.ext4', '-q', '-O', 'quota,project'],
  xfs: ['mkfs.xfs', '-q'],
} as const;

/** Makes a file system with project quota in a file, and mounts it on `target`. */
function mountWithQuota(fileSystem: keyof typeof MAKE, folder: string, target: string): void {
  const image = join(folder, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 320 * 1024 * 1024);
  const [program, ...args] = MAKE[fileSystem];
  execFileSync(program, [...args, image], { stdio: ['ignore', 'ignore', 'pipe'] });
  execFileSync('mount', ['-o', 'loop,prjquota', image, target], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Why limits cannot be tested on a file system here, found by trying. */
function quotaSkip(fileSystem: keyof typeof MAKE): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const folder = mkdtempSync(join(tmpdir(), 'gantry-quota-'));
  const target = join(folder, 'mount');
  mkdirSync(target);
  try {
    mountWithQuota(fileSystem, folder, target);
    spawnSync('umount', [target]);
    return false;
  } catch (error) {
    const program = MAKE[fileSystem][0];
    const lacksProgram = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return lacksProgram
      ? `this machine lacks ${program}`
      : `the kernel of this machine lacks project quota on ${fileSystem} (test/vm/quota.test.ts has one)`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
