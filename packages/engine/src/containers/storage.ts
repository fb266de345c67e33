import type { Migration, StateStore } from '@gantry/store';
import type { ExecConfig } from '../documents/index.ts';
import type { ExecRecord } from '../exec/registry.ts';
import { Container } from './container.ts';
import type { ContainerDocument, ContainerFacts } from './document.ts';

const MIGRATION: Migration = {
  room: 'containers',
  statements: [
    'CREATE TABLE containers (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT',
    // Apart, so that a start or an exit writes a page and not the whole document.
    'CREATE TABLE container_facts (id TEXT PRIMARY KEY REFERENCES containers ON DELETE CASCADE, facts TEXT NOT NULL) STRICT',
    // Execs that run or ended a short while ago, for an engine that takes their container over.
    'CREATE TABLE execs (id TEXT PRIMARY KEY, container_id TEXT NOT NULL, config TEXT NOT NULL) STRICT',
  ],
};

/**
 * Containers in the state store. A document is durable before it is acknowledged, facts are not waited for; nothing of a
 * --rm container is: its row survives the end of the daemon, which is all that its removal after a restart needs.
 */
export class ContainerStorage {
  readonly #store: StateStore;
  /** Containers whose facts are in the next commit already. */
  readonly #dirty = new Map<Container, Promise<void>>();

  constructor(store: StateStore) {
    this.#store = store;
    store.migrate(MIGRATION);
  }

  load(): Container[] {
    return this.#store
      .statement('SELECT document, facts FROM containers JOIN container_facts USING (id) ORDER BY containers.rowid')
      .all()
      .map(
        row =>
          new Container(
            JSON.parse(String(row.document)) as ContainerDocument,
            JSON.parse(String(row.facts)) as ContainerFacts,
          ),
      );
  }

  insert({ document, facts }: Container): Promise<void> {
    return this.#store.write(
      () => {
        this.#store.statement('INSERT INTO containers VALUES (?, ?)').run(document.id, JSON.stringify(document));
        this.#store.statement('INSERT INTO container_facts VALUES (?, ?)').run(document.id, JSON.stringify(facts));
      },
      { durable: !document.hostConfig.AutoRemove },
    );
  }

  /** Writes the document again, after rename or update. */
  updateDocument({ document }: Container): Promise<void> {
    return this.#store.write(
      () => {
        this.#store
          .statement('UPDATE containers SET document = ? WHERE id = ?')
          .run(JSON.stringify(document), document.id);
      },
      { durable: !document.hostConfig.AutoRemove },
    );
  }

  /** Writes the facts as they are when the tick ends. */
  saveFacts(container: Container): Promise<void> {
    const queued = this.#dirty.get(container);
    if (queued) return queued;
    const written = this.#store.write(
      () => {
        this.#dirty.delete(container);
        this.#store
          .statement('UPDATE container_facts SET facts = ? WHERE id = ?')
          .run(JSON.stringify(container.facts), container.id);
      },
      { durable: false },
    );
    this.#dirty.set(container, written);
    // On a full disk the commit may fail before this write was asked.
    written.catch(() => {
      if (this.#dirty.get(container) === written) this.#dirty.delete(container);
    });
    return written;
  }

  insertExec(exec: ExecRecord): Promise<void> {
    return this.#store.write(
      () => {
        this.#store
          .statement('INSERT OR REPLACE INTO execs VALUES (?, ?, ?)')
          .run(exec.id, exec.containerId, JSON.stringify(exec.config));
      },
      { durable: false },
    );
  }

  deleteExecs(ids: readonly string[]): Promise<void> {
    return this.#store.write(
      () => {
        for (const id of ids) this.#store.statement('DELETE FROM execs WHERE id = ?').run(id);
      },
      { durable: false },
    );
  }

  loadExecs(): { id: string; containerId: string; config: ExecConfig }[] {
    return this.#store
      .statement('SELECT id, container_id, config FROM execs')
      .all()
      .map(row => ({
        id: String(row.id),
        containerId: String(row.container_id),
        config: JSON.parse(String(row.config)) as ExecConfig,
      }));
  }

  delete({ id, document }: Container): Promise<void> {
    return this.#store.write(
      () => {
        this.#store.statement('DELETE FROM containers WHERE id = ?').run(id);
      },
      { durable: !document.hostConfig.AutoRemove },
    );
  }
}
