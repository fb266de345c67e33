import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from './store.ts';

const migration = { room: 'test', statements: ['CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT'] };

const insert = (name: string) => (db: { prepare(sql: string): { run(...values: string[]): unknown } }) => {
  db.prepare('INSERT INTO t (name) VALUES (?)').run(name);
};

const names = (store: StateStore) =>
  store
    .statement('SELECT name FROM t ORDER BY id')
    .all()
    .map(row => row.name);

test('writes of one tick share a commit, and one that fails takes nothing of the others with it', async () => {
  using store = new StateStore(':memory:');
  store.migrate(migration);
  const results = await Promise.allSettled(
    ['a', 'b', 'a', 'c'].map((name, i) => store.write(insert(name), { durable: i !== 3 })),
  );
  assert.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(names(store), ['a', 'b', 'c']);
});

test('what was written, durable or not, is there after the store is opened again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  try {
    {
      using store = new StateStore(join(folder, 'state.db'));
      store.migrate(migration);
      await store.write(insert('kept'));
      await store.write(insert('volatile'), { durable: false });
      await store.write(insert('kept too'));
    }
    using store = new StateStore(join(folder, 'state.db'));
    store.migrate(migration);
    assert.deepEqual(names(store), ['kept', 'volatile', 'kept too']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a store of a newer Gantry is refused', () => {
  using store = new StateStore(':memory:');
  store.migrate({ room: 'test', statements: ['CREATE TABLE a (x) ', 'CREATE TABLE b (x)'] });
  assert.throws(() => store.migrate({ room: 'test', statements: ['CREATE TABLE a (x)'] }), /has schema 2/);
});

test('many commits keep the log short, and lose nothing to its checkpoints', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  try {
    {
      using store = new StateStore(join(folder, 'state.db'));
      store.migrate(migration);
      for (let i = 0; i < 500; i++) await store.write(insert(`row ${i}`), { durable: i % 10 === 0 });
      assert.ok(statSync(join(folder, 'state.db-wal')).size < 2 << 20);
    }
    using store = new StateStore(join(folder, 'state.db'));
    assert.equal(names(store).length, 500);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a copy of the files taken at any moment holds every write that was acknowledged', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-store-'));
  try {
    using store = new StateStore(join(folder, 'state.db'));
    store.migrate(migration);
    let acknowledged = 0;
    const writes = Array.from({ length: 300 }, (_, i) =>
      store.write(insert(`row ${i}`)).then(() => {
        acknowledged++;
      }),
    );
    for (let copy = 0; acknowledged < writes.length; copy++) {
      const least = acknowledged;
      const to = join(folder, `copy${copy}`);
      // In one tick, so that no commit lies between the two: as a crash would find them.
      copyFileSync(join(folder, 'state.db'), `${to}.db`);
      copyFileSync(join(folder, 'state.db-wal'), `${to}.db-wal`);
      using found = new StateStore(`${to}.db`);
      assert.ok(names(found).length >= least);
      await new Promise(resolve => setImmediate(resolve));
    }
    await Promise.all(writes);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
