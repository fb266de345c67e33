import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { file, mount, umount } from './index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-file-copy-'));
const memory = join(scratch, 'memory');
const isRoot = process.getuid?.() === 0;
const ROOT = { skip: !isRoot && 'needs root' };
before(() => {
  mkdirSync(memory);
  if (isRoot) mount('tmpfs', memory, 'tmpfs', 0, 'size=64m');
});
after(() => {
  if (isRoot) umount(memory);
  rmSync(scratch, { recursive: true });
});

function copied(source: string, target: string, copy: (from: number, to: number) => void): void {
  const [from, to] = [openSync(source, 'r'), openSync(target, 'wx')];
  try {
    copy(from, to);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

const sizes = [0, 1, 4096, 50_000, 65_536, 65_537, 3_000_000];

for (const [title, folder, options] of [
  ['of one file system', scratch, {}],
  ['of two file systems', memory, ROOT],
] as const) {
  test(`files ${title} are copied byte for byte`, options, () => {
    for (const size of sizes) {
      const [source, dense, whole] = [join(folder, `from${size}`), join(scratch, 'dense'), join(scratch, 'whole')];
      writeFileSync(source, randomBytes(size));
      copied(source, dense, (from, to) => file.copyDense(from, to, size));
      copied(source, whole, file.copyContents);
      assert.ok(readFileSync(dense).equals(readFileSync(source)), `${size} bytes at once`);
      assert.ok(readFileSync(whole).equals(readFileSync(source)), `${size} bytes with their holes`);
      for (const path of [source, dense, whole]) rmSync(path);
    }
  });
}

test('holes stay holes on another file system, before, between and after what is written', ROOT, () => {
  const [source, target] = [join(memory, 'sparse'), join(scratch, 'sparse')];
  const at = (offset: number): string[] => [`of=${source}`, 'bs=1', 'conv=notrunc', `seek=${offset}`];
  for (const offset of [1_000_000, 9_000_000]) execFileSync('dd', at(offset), { input: 'data', stdio: 'pipe' });
  execFileSync('truncate', ['-s', '20000000', source]);
  copied(source, target, file.copyContents);
  assert.ok(readFileSync(target).equals(readFileSync(source)));
  assert.ok(statSync(target).blocks * 512 < 100_000, 'the holes take no space');
});

test('a file that is shorter than it was ends where it ends', () => {
  const [source, target] = [join(scratch, 'short'), join(scratch, 'shorter')];
  writeFileSync(source, 'short');
  copied(source, target, (from, to) => file.copyDense(from, to, 100));
  assert.equal(readFileSync(target, 'utf8'), 'short');
});

test('the attributes of an open file are those that its name has', () => {
  const path = join(scratch, 'attributes');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  try {
    assert.deepEqual(file.attributesOf(fd), file.attributesAt(file.AT_FDCWD, path));
    for (const [name, value] of [
      ['user.b', Buffer.from([0, 255])],
      ['user.a', Buffer.from('value')],
      ['user.empty', Buffer.alloc(0)],
    ] as const)
      assert.equal(file.trySetAttribute(fd, name, value), 0);
    const own = file.attributesOf(fd).filter(([name]) => name.startsWith('user.'));
    assert.deepEqual(
      own.map(([name, value]) => [name, value.toString('latin1')]),
      [
        ['user.a', 'value'],
        ['user.b', '\0\xff'],
        ['user.empty', ''],
      ],
    );
    assert.deepEqual(file.attributesOf(fd), file.attributesAt(file.AT_FDCWD, path));
  } finally {
    closeSync(fd);
  }
});
