import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isGantryError } from '@gantry/errors';
import type { TarEntry } from './entry.ts';
import { TarParser } from './parser.ts';
import { endOfArchive, paddingAfter, plainHeader } from './writer.ts';

type Seen = { entry: TarEntry; content: Buffer };

/** Parses `archive` pushed in pieces of the sizes that `sizes` gives in turn, and checks that no byte is lost. */
function parse(archive: Buffer, sizes: readonly number[] = [archive.length || 1]): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  let current: Seen | undefined;
  let bytes = 0;
  const parser = new TarParser({
    entry(entry) {
      current = { entry, content: Buffer.alloc(Math.min(entry.sizeBytes, 1 << 24)) };
      seen.set(entry.name, current);
    },
    data(part, offset) {
      bytes += part.length;
      part.copy(current?.content ?? Buffer.alloc(0), offset);
    },
    end() {
      current = undefined;
    },
    literal(part) {
      bytes += part.length;
    },
  });
  for (let at = 0, i = 0; at < archive.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    parser.push(archive.subarray(at, at + size));
    at += size;
  }
  parser.finish();
  assert.equal(bytes, archive.length);
  return seen;
}

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-tar-'));
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true });
  writeFileSync(join(tree, 'd'.repeat(90), 'e'.repeat(90), 'deep'), 'deep');
  writeFileSync(join(tree, 'short'), 'x'.repeat(1000));
  writeFileSync(join(tree, `n${'a'.repeat(180)}`), 'long name');
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'not utf-8');
  symlinkSync('t'.repeat(180), join(tree, 'longlink'));
  writeFileSync(join(tree, 'holes'), 'begin');
  truncateSync(join(tree, 'holes'), 3_000_000);
  writeFileSync(join(tree, 'holes'), 'middle', { flag: 'r+' });
  utimesSync(join(tree, 'short'), 1_600_000_000.25, 1_600_000_000.25);
});

after(() => rmSync(folder, { recursive: true, force: true }));

function archive(...args: string[]): Buffer {
  const path = join(folder, 'a.tar');
  execFileSync('tar', ['-C', join(folder, 'tree'), ...args, '-cf', path, '.'], {
    stdio: ['ignore', 'inherit', 'ignore'],
  });
  return readFileSync(path);
}

test('every dialect that GNU tar writes is read the same, in pieces of any size', () => {
  const dialects = [
    ['--format=gnu'],
    ['--format=oldgnu'],
    ['--format=posix'],
    ['--format=gnu', '--sparse'],
    ['--format=posix', '--sparse', '--sparse-version=0.0'],
    ['--format=posix', '--sparse', '--sparse-version=0.1'],
    ['--format=posix', '--sparse', '--sparse-version=1.0'],
  ];
  for (const dialect of dialects) {
    const bytes = archive(...dialect, '--owner=alice:3000000', '--group=staff:2999999');
    for (const sizes of [[bytes.length], [1, 511, 513, 7], [512], [65536]]) {
      const seen = parse(bytes, sizes);
      const what = `${dialect.join(' ')} in ${sizes}`;
      const content = (name: string): string | undefined => seen.get(name)?.content.toString('latin1');
      assert.equal(content('./short'), 'x'.repeat(1000), what);
      assert.equal(content(`./n${'a'.repeat(180)}`), 'long name', what);
      assert.equal(content('./f\xff\xfe'), 'not utf-8', what);
      assert.equal(content(`./${'d'.repeat(90)}/${'e'.repeat(90)}/deep`), 'deep', what);
      assert.equal(seen.get('./longlink')?.entry.linkName, 't'.repeat(180), what);
      assert.equal(seen.get('./holes')?.entry.sizeBytes, 3_000_000, what);
      assert.equal(content('./holes'), `middle${'\0'.repeat(2_999_994)}`, what);
      assert.equal(seen.get('./short')?.entry.uid, 3_000_000, what);
      assert.equal(seen.get('./short')?.entry.userName, 'alice', what);
      const { seconds, nanoseconds } = seen.get('./short')?.entry.modification ?? {};
      assert.equal(seconds, 1_600_000_000, what);
      assert.equal(nanoseconds, dialect.includes('--format=posix') ? 250_000_000 : 0, what);
    }
  }
});

test('what our writer writes, GNU tar and we read back', () => {
  const name = `${'long/'.repeat(60)}file`;
  const bytes = Buffer.concat([
    plainHeader({ name: 'dir/', type: 'directory', mode: 0o755, sizeBytes: 0, mtime: 5 }),
    plainHeader({
      name,
      type: 'file',
      mode: 0o4755,
      sizeBytes: 3,
      mtime: -7,
      uid: 5_000_000,
      gid: 1,
      pax: new Map([['SCHILY.xattr.user.a', 'b']]),
    }),
    Buffer.from('abc'),
    paddingAfter(3),
    plainHeader({ name: 'link', type: 'symlink', mode: 0o777, sizeBytes: 0, mtime: 0, linkName: 'x'.repeat(150) }),
    plainHeader({ name: 'null', type: 'character', mode: 0o666, sizeBytes: 0, mtime: 0, major: 1, minor: 3 }),
    endOfArchive(),
  ]);
  const seen = parse(bytes, [3, 1000]);
  const file = seen.get(name);
  assert.equal(file?.content.toString(), 'abc');
  assert.equal(file?.entry.uid, 5_000_000);
  assert.equal(file?.entry.modification.seconds, -7);
  assert.equal(file?.entry.attributes.get('user.a'), 'b');
  assert.equal(seen.get('link')?.entry.linkName.length, 150);
  assert.equal(seen.get('null')?.entry.minor, 3);
  const path = join(folder, 'ours.tar');
  writeFileSync(path, bytes);
  const listed = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(listed, ['dir/', name, 'link', 'null']);
});

test('an archive that is cut off is noticed wherever the cut is', () => {
  const bytes = Buffer.concat([
    plainHeader({ name: 'a', type: 'file', mode: 0o644, sizeBytes: 700, mtime: 0, pax: new Map([['mtime', '1.5']]) }),
    Buffer.alloc(1024, 'x'),
    endOfArchive(),
  ]);
  for (let length = 1; length < bytes.length - 1024; length++) {
    assert.throws(() => parse(bytes.subarray(0, length)), { message: 'unexpected EOF' }, `cut at ${length}`);
  }
  parse(bytes.subarray(0, bytes.length - 1024));
});

test('damaged archives give our error, and take no time without end', () => {
  const whole = archive('--format=posix', '--sparse');
  const sample = whole.subarray(0, 40_000);
  let seed = 99;
  const random = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * n);
  };
  for (let i = 0; i < 3000; i++) {
    const copy = Buffer.from(sample);
    for (let k = 0; k < 1 + random(4); k++) copy[random(copy.length)] = random(256);
    if (random(2) === 0) fixChecksums(copy);
    const parser = new TarParser({ entry() {}, data() {}, end() {} });
    try {
      parser.push(copy);
      parser.finish();
    } catch (error) {
      assert.ok(isGantryError(error, 'invalidParameter'), String(error));
    }
  }
});

/** Makes every block that looks like a header pass its checksum, so that damage reaches the fields behind it. */
function fixChecksums(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    bytes.write('        ', at + 148, 'latin1');
    let sum = 0;
    for (const byte of bytes.subarray(at, at + 512)) sum += byte;
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
}
