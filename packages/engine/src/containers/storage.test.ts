import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import { fakeContainer } from '../testing/fake-context.ts';
import { ContainerStorage } from './storage.ts';

test('what happened to a container is written again after a commit that the disk had no room for', async () => {
  using store = new StateStore(':memory:');
  const storage = new ContainerStorage(store);
  const container = fakeContainer({ id: 'a' });
  await storage.insert(container);
  const pages = Number(store.statement('PRAGMA page_count').get()?.page_count);
  await store.write(db => db.exec(`PRAGMA max_page_count = ${pages}`));

  // One commit: the first write of it fills the disk, so that the second one is never asked.
  const large = storage.insert(fakeContainer({ id: 'b', path: 'x'.repeat(1 << 20) }));
  container.facts.exitCode = 1;
  const small = storage.saveFacts(container);
  await assert.rejects(large, /no space left on device/);
  await assert.rejects(small, /no space left on device/);

  await store.write(db => db.exec('PRAGMA max_page_count = 1000000'));
  container.facts.exitCode = 2;
  await storage.saveFacts(container);
  assert.deepEqual(
    storage.load().map(({ id, facts }) => [id, facts.exitCode]),
    [['a', 2]],
  );
});
