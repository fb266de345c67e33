import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeContainer, fakeContext } from '../testing/fake-context.ts';
import { removeContainer } from './remove.ts';
import { renameContainer } from './rename.ts';

test('a rename that a removal overtook takes no name, and gives none away', async t => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-rename-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'trash'));
  const context = fakeContext();
  Object.assign(context.options, { dataRoot: root });
  Object.assign(context.options.images, { removeContainerLayer: async () => {} });
  const container = fakeContainer({ id: 'c1', name: 'old' });
  await context.storage.insert(container);
  context.containers.add(container);

  const removed = removeContainer(context, container, { force: false, volumes: false });
  const renamed = renameContainer(context, container, 'new');
  // Whoever reads of the removal may take its name at once.
  const heir = removed.then(() => context.containers.reserveName('c2', 'old'));
  await assert.rejects(renamed, { kind: 'notFound', message: 'No such container: c1' });
  assert.equal(await heir, 'old');
  assert.throws(() => context.containers.reserveName('c3', 'old'), { kind: 'conflict' });
  assert.equal(context.containers.reserveName('c4', 'new'), 'new');
  await context.settled();
});
