import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { systemError } from '@gantry/errors';

/** The tables of one room: `statements[i]` brings its schema from version i to version i + 1. */
export type Migration = { readonly room: string; readonly statements: readonly string[] };

type Write = {
  readonly run: (db: DatabaseSync) => void;
  readonly durable: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/**
 * The one SQLite database of the engine. What was acknowledged is durable (synchronous FULL); writes of one tick share
 * one commit, so 32 clients cost one fsync.
 */
export class StateStore implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #queue: Write[] = [];
  #scheduled = false;
  #durable = true;

  /** @param path a file, or `:memory:` */
  constructor(path: string) {
    this.#db = new DatabaseSync(path, { timeout: 5000 });
    this.#db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000',
    );
    this.#db.exec('CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT');
  }

  /** Brings the tables of a room up to date. @throws system when a newer Gantry has written them */
  migrate({ room, statements }: Migration): void {
    const row = this.statement('SELECT version FROM schema_version WHERE room = ?').get(room);
    const version = typeof row?.version === 'number' ? row.version : 0;
    if (version > statements.length) {
      throw systemError(`the state of ${room} has schema ${version}, this Gantry knows ${statements.length}`, {
        hint: 'start the newer Gantry that wrote it, or choose another --data-root',
      });
    }
    this.#transaction(() => {
      for (const statement of statements.slice(version)) this.#db.exec(statement);
      this.#db
        .prepare('INSERT INTO schema_version VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version')
        .run(room, statements.length);
    });
  }

  /** A prepared statement, kept for the life of the store. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * Runs `write` in the next group commit; resolves when it is on disk. When `write` throws, only its own changes are undone.
   * @param options.durable false: resolves when the change survives the end of this process; a power cut may undo it
   */
  write(write: (db: DatabaseSync) => void, { durable = true }: { readonly durable?: boolean } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ run: write, durable, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.flush());
    });
  }

  /** Commits what is queued, at once. */
  flush(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length === 0) return;
    const failed = new Map<Write, unknown>();
    this.#synchronous(queue.some(write => write.durable));
    try {
      this.#transaction(() => {
        for (const write of queue) {
          this.#db.exec('SAVEPOINT one_write');
          try {
            write.run(this.#db);
          } catch (error) {
            failed.set(write, error);
            this.#db.exec('ROLLBACK TO one_write');
          }
          this.#db.exec('RELEASE one_write');
        }
      });
    } catch (error) {
      for (const write of queue) write.reject(error);
      return;
    }
    for (const write of queue) {
      if (failed.has(write)) write.reject(failed.get(write));
      else write.resolve();
    }
  }

  /** Whether the next commit reaches the disk before it returns; in WAL mode NORMAL leaves that to the next checkpoint. */
  #synchronous(durable: boolean): void {
    if (this.#durable === durable) return;
    this.#db.exec(durable ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#durable = durable;
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.flush();
    this.#db.close();
  }
}
