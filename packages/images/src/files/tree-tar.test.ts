import assert from 'node:assert/strict';
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { file } from '@gantry/linux';
import type { TarEntry } from '../tar/entry.ts';
import { TarParser } from '../tar/parser.ts';
import { exportTree } from './file-tasks.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-tree-tar-'));
after(() => rmSync(scratch, { recursive: true }));

type Member = { readonly entry: TarEntry; readonly content: string };

function membersOf(pieces: Iterable<Buffer>): Map<string, Member> {
  const members = new Map<string, Member>();
  let entry: TarEntry | undefined;
  const parts: Buffer[] = [];
  const parser = new TarParser({
    entry(next) {
      entry = next;
      parts.length = 0;
    },
    data(bytes) {
      parts.push(Buffer.from(bytes));
    },
    end() {
      if (entry) members.set(entry.name, { entry, content: Buffer.concat(parts).toString('latin1') });
    },
  });
  for (const piece of pieces) parser.push(Buffer.from(piece));
  parser.finish();
  assert.ok(parser.complete);
  return members;
}

test('a tree is written with its names, times, attributes and links, each file’s bytes once', () => {
  const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`;
  mkdirSync(join(scratch, 'd'.repeat(120)));
  for (const [name, content] of [
    ['full', 'content'],
    ['empty', ''],
    [long, 'far down'],
    ['bytes\xff', 'odd'],
  ] as const)
    writeFileSync(Buffer.from(join(scratch, name), 'latin1'), content);
  linkSync(join(scratch, 'full'), join(scratch, 'linked'));
  symlinkSync('full', join(scratch, 'symbolic'));
  utimesSync(join(scratch, 'full'), 1_000_000_000.25, 1_000_000_000.25);
  for (const name of ['full', 'empty'])
    assert.equal(file.trySetAttributeAt(file.AT_FDCWD, join(scratch, name), 'user.mark', Buffer.from(name)), 0);
  const root = openSync(scratch, 'r');
  let members: Map<string, Member>;
  try {
    members = membersOf(exportTree(root));
  } finally {
    closeSync(root);
  }
  const of = (name: string): Member => {
    const member = members.get(name);
    assert.ok(member, name);
    return member;
  };
  assert.equal(of('full').content, 'content');
  assert.deepEqual(of('full').entry.modification, { seconds: 1_000_000_000, nanoseconds: 250_000_000 });
  for (const name of ['full', 'empty'])
    assert.deepEqual([...of(name).entry.attributes], [['user.mark', name]], `the attributes of ${name}`);
  assert.equal(of('empty').content, '');
  assert.equal(of(long).content, 'far down');
  assert.equal(of('bytes\xff').content, 'odd');
  assert.equal(of('linked').entry.type, 'hardLink');
  assert.equal(of('linked').entry.linkName, 'full');
  assert.equal(of('linked').content, '');
  assert.equal(of('symbolic').entry.linkName, 'full');
});
