import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anchorsOf, judge } from './docs.ts';

const files = ['docs/a.md', 'docs/b.md', 'packages/linux/src/mount.ts', 'packages/engine/src/spec/user.ts'];
const reasons = (source: string) =>
  judge('docs/a.md', source, files, () => anchorsOf('# What it is, and why\n')).map(
    ({ line, reason }) => `${line}: ${reason}`,
  );

test('links to files, folders and headings that exist are none of its business', () => {
  assert.deepEqual(
    reasons('[b](b.md) [up](../packages/linux/) [h](b.md#what-it-is-and-why) [w](https://x.org/a.md)'),
    [],
  );
});

test('a link that leads nowhere and a heading that is not there are offences at their line', () => {
  assert.deepEqual(reasons('\n[c](c.md)\n[h](b.md#gone)'), [
    "2: the link 'c.md' leads nowhere",
    "3: 'docs/b.md' has no heading '#gone'",
  ]);
});

test('a path between backticks may leave out its first folders, and have stars', () => {
  assert.deepEqual(
    reasons('`packages/linux/src/mount.ts`, `spec/user.ts`, `spec/*.ts`, `packages/linux/`, `nginx -c x`'),
    [],
  );
});

test('a path that no file has is an offence, also in a command', () => {
  assert.deepEqual(reasons('`spec/users.ts` and `npm test -- packages/gone/x`'), [
    "1: no file 'spec/users.ts' in the checkout",
    "1: no file 'packages/gone/x' in the checkout",
  ]);
});

test('blocks of code are examples, not references', () => {
  assert.deepEqual(reasons('```console\n$ cat `no/such/file.ts` [x](gone.md)\n```'), []);
});
