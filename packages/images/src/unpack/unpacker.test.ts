import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { file } from '@gantry/linux';
import { rebuildLayer } from '../storage/rebuild-layer.ts';
import type { EntryType } from '../tar/entry.ts';
import { endOfArchive, type PlainMember, paddingAfter, plainHeader } from '../tar/writer.ts';
import { LayerIntake, type TakenLayer } from './layer-intake.ts';
import type { LayerForm, UnpackLimits } from './unpacker.ts';

const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };
const LIMITS: UnpackLimits = { maxEntries: 10_000, maxBytes: 1e9 };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-unpack-'));
  mkdirSync(join(folder, 'layer'));
  mkdirSync(join(folder, 'outside'));
  writeFileSync(join(folder, 'outside', 'victim'), 'untouched');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Member = Partial<PlainMember> & { readonly name: string; readonly content?: string };

function archive(...members: Member[]): Buffer {
  const parts = members.flatMap(({ content = '', ...member }) => {
    const type: EntryType = member.type ?? (member.name.endsWith('/') ? 'directory' : 'file');
    const mode = member.mode ?? (type === 'directory' ? 0o755 : 0o644);
    const sizeBytes = Buffer.byteLength(content);
    return [
      plainHeader({ mtime: 1000, ...member, type, mode, sizeBytes }),
      Buffer.from(content),
      paddingAfter(sizeBytes),
    ];
  });
  return Buffer.concat([...parts, endOfArchive()]);
}

function unpack(bytes: Buffer, form: LayerForm = 'difference', limits = LIMITS): TakenLayer {
  using intake = new LayerIntake(join(folder, 'layer'), form, limits);
  for (let at = 0; at < bytes.length; at += 1000) intake.push(bytes.subarray(at, at + 1000));
  return intake.finish();
}

const at = (...names: string[]): string => join(folder, 'layer', 'diff', ...names);

function rebuilt(taken: TakenLayer): Buffer {
  return Buffer.concat(Array.from(rebuildLayer(join(folder, 'layer'), taken.diffId), piece => Buffer.from(piece)));
}

test('a tree goes through us as through GNU tar, and its archive comes back bit for bit', ROOT, () => {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'dir', 'sub'), { recursive: true });
  writeFileSync(join(tree, 'dir', 'file'), 'x'.repeat(70_000));
  writeFileSync(join(tree, 'dir', 'sub', 'empty'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0x66, 0xff])]), 'bytes');
  const script = `
    cd ${tree}; ln dir/file hard; ln -s dir/file soft; ln -s /nowhere dangling; mkfifo pipe; mknod null c 1 3; mknod disk b 259 70000
    cp /bin/true suid; chmod 4755 suid; chown 1000:2000 dir/sub/empty; chown -h 7:8 soft; chmod 1777 dir; chmod 555 dir/sub
    truncate -s 5M holes; printf end >> holes; touch -d '2001-02-03 04:05:06.123456789' dir dir/file`;
  execFileSync('sh', ['-c', script]);
  const marks: [string, string, Buffer][] = [
    ['dir/file', 'user.mark', Buffer.from('h\0\xff\n', 'latin1')],
    ['dir', 'trusted.mark', Buffer.from('t')],
    ['suid', 'security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex')],
  ];
  for (const [name, attribute, value] of marks) {
    assert.equal(file.trySetAttributeAt(file.AT_FDCWD, file.byteString(join(tree, name)), attribute, value), 0);
  }
  for (const format of [
    ['--format=posix', '--xattrs', '--xattrs-include=*'],
    ['--format=gnu'],
    ['--format=posix', '--sparse'],
  ]) {
    rmSync(join(folder, 'layer'), { recursive: true });
    mkdirSync(join(folder, 'layer'));
    const path = join(folder, 'tree.tar');
    execFileSync('tar', ['-C', tree, ...format, '-cf', path, '.'], { stdio: 'pipe' });
    const bytes = readFileSync(path);
    const taken = unpack(bytes);
    assert.ok(rebuilt(taken).equals(bytes), format.join(' '));
    // tar --compare looks at content, owner, mode, time, link target and device numbers.
    execFileSync('tar', ['-C', at(), '--numeric-owner', '--compare', '-f', path]);
    if (format[0] === '--format=posix') {
      const print = ['-type', 'd', '-printf', '%P %m %U:%G %T@\\n', '-o', '-printf', '%P %y %m %U:%G %n %s %T@ %l\\n'];
      const list = (where: string): string[] =>
        execFileSync('find', [where, ...print], { encoding: 'latin1' })
          .split('\n')
          .sort();
      assert.deepEqual(list(at()), list(tree));
    }
    if (format[1] === '--xattrs') {
      for (const [name, attribute, value] of marks) {
        const found = file.attributeAt(file.AT_FDCWD, file.byteString(at(name)), attribute);
        assert.deepEqual(found, value, attribute);
      }
    }
  }
});

test('names that lead out of the layer are refused, absolute ones stay inside', () => {
  for (const name of ['../evil', 'a/../../evil', '/../evil', './../../evil', 'a/b/../../../evil']) {
    assert.throws(() => unpack(archive({ name, content: 'evil' })), /leads out of the root/, name);
    rmSync(join(folder, 'layer'), { recursive: true });
    mkdirSync(join(folder, 'layer'));
  }
  unpack(archive({ name: '/etc/passwd', content: 'inside' }, { name: 'a/../b', content: 'b' }));
  assert.equal(readFileSync(at('etc', 'passwd'), 'utf8'), 'inside');
  assert.equal(readFileSync(at('b'), 'utf8'), 'b');
  assert.ok(!existsSync(join(folder, 'evil')));
});

test('links cannot be used to write, link or delete outside of the layer', () => {
  const outside = join(folder, 'outside');
  const up = '../'.repeat(20);
  const attacks: [string, Member[]][] = [
    [
      'through an absolute link',
      [
        { name: 'l', type: 'symlink', linkName: outside },
        { name: 'l/victim', content: 'evil' },
      ],
    ],
    [
      'through a climbing link',
      [
        { name: 'l', type: 'symlink', linkName: `${up}${outside}` },
        { name: 'l/victim', content: 'evil' },
      ],
    ],
    [
      'over a link to a file',
      [
        { name: 'l', type: 'symlink', linkName: `${outside}/victim` },
        { name: 'l', content: 'evil' },
      ],
    ],
    [
      'through a chain',
      [
        { name: 'a', type: 'symlink', linkName: '/' },
        { name: 'b', type: 'symlink', linkName: `a${outside}` },
        { name: 'b/victim', content: 'evil' },
      ],
    ],
    [
      'a directory over a link',
      [
        { name: 'l', type: 'symlink', linkName: outside },
        { name: 'l/', mode: 0o777 },
        { name: 'l/victim', content: 'evil' },
      ],
    ],
    ['a whiteout through a link', [{ name: 'l', type: 'symlink', linkName: outside }, { name: 'l/.wh.victim' }]],
    ['an opaque mark through a link', [{ name: 'l', type: 'symlink', linkName: outside }, { name: 'l/.wh..wh..opq' }]],
    [
      'through proc',
      [
        { name: 'l', type: 'symlink', linkName: '/proc/self/root' },
        { name: `l${outside}/victim`, content: 'evil' },
      ],
    ],
  ];
  for (const [what, members] of attacks) {
    for (const form of ['difference', 'whole'] as const) {
      try {
        unpack(archive(...members), form);
      } catch {
        // Refused is fine too.
      }
      assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'untouched', `${what}, ${form}`);
      assert.deepEqual(readdirSync(outside), ['victim'], `${what}, ${form}`);
      assert.equal(lstatSync(outside).mode & 0o777, 0o755, `${what}, ${form}`);
      rmSync(join(folder, 'layer'), { recursive: true });
      mkdirSync(join(folder, 'layer'));
    }
  }
});

test('hard links to what is not in the layer are refused', () => {
  const outside = join(folder, 'outside', 'victim');
  const attacks: Member[][] = [
    [{ name: 'h', type: 'hardLink', linkName: outside }],
    [{ name: 'h', type: 'hardLink', linkName: `${'../'.repeat(20)}${outside}` }],
    [
      { name: 'l', type: 'symlink', linkName: join(folder, 'outside') },
      { name: 'h', type: 'hardLink', linkName: 'l/victim' },
    ],
    [{ name: 'h', type: 'hardLink', linkName: '' }],
  ];
  for (const members of attacks) {
    assert.throws(() => unpack(archive(...members)), { kind: 'invalidParameter' }, JSON.stringify(members));
    assert.equal(lstatSync(outside).nlink, 1);
    rmSync(join(folder, 'layer'), { recursive: true });
    mkdirSync(join(folder, 'layer'));
  }
  // A hard link to a symbolic link is the link itself, not its target.
  unpack(archive({ name: 'l', type: 'symlink', linkName: outside }, { name: 'h', type: 'hardLink', linkName: 'l' }));
  assert.equal(readlinkSync(at('h')), outside);
});

test('whiteouts become those of overlayfs, and hide only what is below the layer', ROOT, () => {
  const bytes = archive(
    { name: 'gone/.wh.file' },
    { name: 'kept', content: 'mine' },
    { name: '.wh.kept' },
    { name: 'replaced/' },
    { name: '.wh.replaced' },
    { name: '.wh.later' },
    { name: 'later/child', content: 'c' },
    { name: 'opaque/.wh..wh..opq' },
    { name: 'opaque/new', content: 'n' },
    { name: '.wh..wh.plnk/', type: 'directory' },
    { name: '.wh.odd', content: 'bytes in a whiteout' },
  );
  const taken = unpack(bytes);
  const { rdev, mode } = lstatSync(at('gone', 'file'));
  assert.deepEqual([mode & file.S_IFMT, rdev], [file.S_IFCHR, 0]);
  assert.equal(readFileSync(at('kept'), 'utf8'), 'mine');
  const attribute = (name: string): string | undefined => {
    const fd = file.openAt(file.AT_FDCWD, at(name), file.O_RDONLY | file.O_DIRECTORY);
    const value = file.attributeAt(fd, '', 'trusted.overlay.opaque')?.toString();
    file.closeDescriptor(fd);
    return value;
  };
  assert.deepEqual(['replaced', 'later', 'opaque', 'gone'].map(attribute), ['y', 'y', 'y', undefined]);
  assert.equal(readFileSync(at('later', 'child'), 'utf8'), 'c');
  assert.ok(rebuilt(taken).equals(bytes));
});

test('a whiteout of nothing, of the directory or of its parent is refused', () => {
  for (const name of ['.wh.', 'd/.wh..', 'd/.wh...']) {
    assert.throws(() => unpack(archive({ name: 'd/' }, { name })), /invalid whiteout/, name);
    rmSync(join(folder, 'layer'), { recursive: true });
    mkdirSync(join(folder, 'layer'));
  }
});

test('entries that replace each other leave the last, and the archive still comes back', () => {
  const bytes = archive(
    { name: 'twice', content: 'first' },
    { name: 'alias', type: 'hardLink', linkName: 'twice' },
    { name: 'twice', content: 'second!' },
    { name: 'dir/' },
    { name: 'dir/inner', content: 'inner' },
    { name: 'dir', content: 'now a file' },
    { name: 'link', type: 'symlink', linkName: 'twice' },
    { name: 'link/', type: 'directory' },
    { name: 'link/x', content: 'x' },
    { name: 'twice', content: 'third' },
  );
  const taken = unpack(bytes);
  assert.equal(readFileSync(at('twice'), 'utf8'), 'third');
  assert.equal(readFileSync(at('alias'), 'utf8'), 'first');
  assert.equal(readFileSync(at('dir'), 'utf8'), 'now a file');
  assert.equal(readFileSync(at('link', 'x'), 'utf8'), 'x');
  assert.ok(rebuilt(taken).equals(bytes));
});

test('a layer that was changed on disk is not given out as if it were whole', () => {
  const taken = unpack(archive({ name: 'a', content: 'aaaa' }));
  writeFileSync(at('a'), 'bbbb');
  assert.throws(() => rebuilt(taken), /was changed on disk/);
});

test('bombs end at their bounds', () => {
  const many = Array.from({ length: 50 }, (_, i) => ({ name: `f${i}`, content: 'x'.repeat(100) }));
  assert.throws(
    () => unpack(archive(...many), 'difference', { maxEntries: 20, maxBytes: 1e9 }),
    /more than 20 entries/,
  );
  rmSync(join(folder, 'layer'), { recursive: true });
  mkdirSync(join(folder, 'layer'));
  assert.throws(
    () => unpack(archive(...many), 'difference', { maxEntries: 100, maxBytes: 1000 }),
    /write \/f10: no space left on device/,
  );
});

test('attributes that speak to overlayfs are left out', ROOT, () => {
  const pax = new Map([
    ['SCHILY.xattr.trusted.overlay.redirect', '/etc'],
    ['SCHILY.xattr.trusted.overlay.opaque', 'y'],
    ['SCHILY.xattr.user.overlay.opaque', 'y'],
  ]);
  unpack(archive({ name: 'd/', pax }));
  const fd = file.openAt(file.AT_FDCWD, at('d'), file.O_RDONLY | file.O_DIRECTORY);
  const names = file.attributesAt(fd, '').map(([name]) => name);
  file.closeDescriptor(fd);
  assert.deepEqual(
    names.filter(name => name.includes('overlay')),
    [],
  );
});
