import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
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
    const run = async (work: (driver: StorageDriver, root: string) => Promise<void>): Promise<void> => {
      const root = mkdtempSync(join(tmpdir(), 'gantry-driver-'));
      const workers = new Workers(2);
      try {
        await work(await open(root, workers), root);
      } finally {
        await workers[Symbol.asyncDispose]();
        rmSync(root, { recursive: true, force: true });
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

    test('an image without layers and one with a hundred can be mounted', () =>
      run(async (driver, root) => {
        await driver.createContainer('empty', [], { volatile: false });
        withRoot(driver.containerRoot('empty'), root, at => assert.ok(existsSync(at)));
        const names: string[] = [];
        for (let i = 0; i < 100; i++) {
          await layer(driver, `n${i}`, names.at(-1), { [`f${i}`]: String(i) });
          names.push(`n${i}`);
        }
        await driver.createContainer('tall', names, { volatile: false });
        withRoot(driver.containerRoot('tall'), root, at => {
          assert.equal(read(at, 'f0'), '0');
          assert.equal(read(at, 'f99'), '99');
        });
      }));

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
  // Paths relative to the layers' folder: a hundred of them must fit the page that mount(2) takes.
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
