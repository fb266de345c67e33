import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SystemCallError } from './ffi.ts';
import { openInRoot, readFileInRoot, resolveInRoot, statInRoot } from './in-root.ts';
import { attachMountOver, changeDetached, cloneMount, mountDetached, mountRoot, setMountAttributes } from './mount.ts';
import { MOUNT_ATTR_RDONLY, O_PATH } from './mount-flags.ts';
import { readMountInfo } from './mountinfo.ts';

const needsRoot = { skip: process.getuid?.() !== 0 && 'needs root' };

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'gantry-mount-test-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function directory(...names: string[]): string {
  const path = join(top, ...names);
  mkdirSync(path, { recursive: true });
  return path;
}

function overlay(layers: number, name = 'o', long = ''): Parameters<typeof mountRoot>[0] {
  const lower = Array.from({ length: layers }, (_, index) => {
    const path = directory(name, `${long}lower${index}`);
    writeFileSync(join(path, `from${index}`), '');
    writeFileSync(join(path, 'top'), String(index));
    return path;
  });
  return {
    kind: 'overlay',
    lower,
    upper: directory(name, `${long}upper`),
    work: directory(name, `${long}work`),
    volatile: false,
  };
}

function written(fd: number, path: string, text: string): void {
  const file = openInRoot(fd, path, constants.O_CREAT | constants.O_WRONLY, 0o644);
  writeFileSync(file, text);
  closeSync(file);
}

describe('a root that is mounted without a place', needsRoot, () => {
  test('shows its layers, the top one first, and takes writes', () => {
    const root = overlay(3);
    const fd = mountRoot(root);
    assert.equal(readFileInRoot(fd, '/top')?.toString(), '0');
    assert.ok(statInRoot(fd, 'from2')?.isFile());
    written(fd, '/new', 'text');
    closeSync(fd);
    assert.ok(root.kind === 'overlay');
    assert.equal(readFileSync(join(root.upper, 'new'), 'utf8'), 'text');
    assert.ok(
      !readMountInfo().some(({ mountPoint }) => mountPoint.startsWith(top) || mountPoint.includes('gantry-mount-')),
    );
  });

  test('is made of more layers than a page of options holds by path, from paths longer than fsconfig takes', () => {
    const fd = mountRoot(overlay(60, 'o'.repeat(120), 'l'.repeat(130)));
    assert.equal(readdirSync(`/proc/self/fd/${fd}`).length, 61);
    closeSync(fd);
  });

  test('that is volatile can be mounted again after it was not unmounted in order', () => {
    const root = { ...overlay(1), volatile: true };
    const first = mountRoot(root);
    written(first, 'a', '');
    closeSync(first);
    const second = mountRoot(root);
    assert.ok(statInRoot(second, 'a'));
    closeSync(second);
  });

  test('can be a directory', () => {
    writeFileSync(join(directory('plain'), 'x'), 'y');
    const fd = mountRoot({ kind: 'directory', path: join(top, 'plain') });
    assert.equal(readFileInRoot(fd, 'x')?.toString(), 'y');
    setMountAttributes(fd, { set: MOUNT_ATTR_RDONLY });
    assert.throws(() => written(fd, 'z', ''), /read-only file system \(EROFS\)/);
    closeSync(fd);
  });

  test('tells what it could not do, and to what', () => {
    assert.throws(
      () => cloneMount('/no/such/place', { recursive: false }),
      /open_tree \/no\/such\/place: no such file/,
    );
    assert.throws(() => mountDetached('nofs', [], 0), SystemCallError);
    assert.throws(() => mountDetached('tmpfs', [['size', 'x'.repeat(300)]], 0), /E2BIG/);
    assert.throws(() => mountDetached('tmpfs', [['nonsense', '1']], 0), /fsconfig nonsense=1: invalid argument/);
  });
});

describe('paths inside a root', needsRoot, () => {
  let fd: number;
  beforeEach(() => {
    const root = directory('root');
    directory('root', 'etc');
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0');
    writeFileSync(join(top, 'secret'), 'outside');
    symlinkSync('../../../../../../secret', join(root, 'relative'));
    symlinkSync(join(top, 'secret'), join(root, 'absolute'));
    symlinkSync('/etc/passwd', join(root, 'inside'));
    symlinkSync('loop', join(root, 'loop'));
    symlinkSync('/proc/self/root', join(root, 'magic'));
    fd = mountRoot({ kind: 'directory', path: root });
  });
  afterEach(() => closeSync(fd));

  test('never lead out of it', () => {
    assert.equal(readFileInRoot(fd, 'relative'), undefined);
    assert.equal(readFileInRoot(fd, 'absolute'), undefined);
    assert.equal(readFileInRoot(fd, '../../secret'), undefined);
    assert.equal(readFileInRoot(fd, 'magic/etc/passwd'), undefined);
    assert.equal(readFileInRoot(fd, '/../inside')?.toString(), 'root:x:0:0');
    assert.equal(resolveInRoot(fd, '/inside'), '/etc/passwd');
  });

  test('that lead nowhere are undefined, those that cannot be followed are errors', () => {
    assert.equal(statInRoot(fd, 'none/at/all'), undefined);
    assert.equal(statInRoot(fd, 'etc/passwd/x'), undefined);
    assert.throws(() => statInRoot(fd, 'loop'), /ELOOP/);
    assert.ok(statInRoot(fd, 'loop', { followLast: false })?.isSymbolicLink());
    assert.throws(() => readFileInRoot(fd, 'etc'), /EISDIR/);
    assert.throws(() => readFileInRoot(fd, 'etc/passwd', 3), /EFBIG/);
    assert.throws(() => openInRoot(fd, 'none', O_PATH), /open none: no such file or directory \(ENOENT\)/);
  });

  test('give descriptors that no child inherits', () => {
    const file = openInRoot(fd, 'etc/passwd', constants.O_RDONLY);
    assert.ok(fstatSync(file).isFile());
    const flags = /flags:\s*0?(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'))?.[1] ?? '';
    assert.ok(Number.parseInt(flags, 8) & 0o2000000);
    closeSync(file);
  });
});

test('things are mounted below a detached root, directly or on kernels that need a place for it', needsRoot, () => {
  for (const name of ['root', 'root/data', 'volume']) mkdirSync(join(top, name));
  writeFileSync(join(top, 'volume/file'), 'x');
  const before = readMountInfo().length;
  const root = mountRoot({ kind: 'directory', path: join(top, 'root') });
  const mountVolume = (below: number): void => {
    const target = openInRoot(below, 'data', O_PATH);
    const tree = cloneMount(join(top, 'volume'), { recursive: false });
    attachMountOver(tree, target);
    for (const fd of [tree, target]) closeSync(fd);
  };
  const copy = changeDetached(root, mountVolume);
  assert.equal(readFileInRoot(copy, 'data/file')?.toString(), 'x');
  assert.equal(existsSync(join(top, 'root/data/file')), false, 'the host sees nothing of it');
  assert.equal(readMountInfo().length, before);
  for (const fd of [root, copy]) closeSync(fd);
});
