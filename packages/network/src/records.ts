import type { StateStore } from '@gantry/store';
import type { NetworkRecord } from './face.ts';

/** The networks that were created, as they are kept over restarts. */
export type NetworkRecords = {
  readonly list: () => NetworkRecord[];
  /** Resolves when it is on disk. */
  readonly remove: (id: string) => Promise<void>;
  readonly save: (record: NetworkRecord) => Promise<void>;
};

export function openNetworkRecords(store: StateStore): NetworkRecords {
  store.migrate({
    room: 'network',
    statements: ['CREATE TABLE network (id TEXT PRIMARY KEY, name TEXT NOT NULL, record TEXT NOT NULL) STRICT'],
  });
  return {
    list: () =>
      store
        .statement('SELECT record FROM network ORDER BY rowid')
        .all()
        .map(row => JSON.parse(String(row.record)) as NetworkRecord),
    remove: id =>
      store.write(db => {
        db.prepare('DELETE FROM network WHERE id = ?').run(id);
      }),
    save: record =>
      store.write(db => {
        db.prepare(
          'INSERT INTO network VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record',
        ).run(record.id, record.name, JSON.stringify(record));
      }),
  };
}
