import { closeSync, fdatasync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { type GantryError, messageOf, systemError } from '@gantry/errors';
import { DiskReserve } from './reserve.ts';

/** The tables of one room: `statements[i]` brings its schema from version i to version i + 1. */
export type Migration = { readonly room: string; readonly statements: readonly string[] };

type Write = {
  readonly run: (db: DatabaseSync) => void;
  readonly durable: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

const sync = promisify(fdatasync);

/** Result codes of SQLite; in WAL mode a full disk shows as an error of the shared memory's file too. */
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;

/** Commits between two checkpoints, each of a few pages: the log stays below some hundred, and its copy below a millisecond. */
const COMMITS_A_CHECKPOINT = 64;

/**
 * The one SQLite database of the engine. What was acknowledged is durable. Writes of one tick share one commit, commits
 * that wait for the disk share one fdatasync, and that runs beside the event loop: SQLite's own (synchronous FULL) would
 * stop it for as long as the disk takes.
 * @see https://www.sqlite.org/wal.html: a commit is durable when the log is synced; the log may be overwritten when what
 * was copied from it into the database is synced
 */
export class StateStore implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Descriptors of the database and its log; undefined for a database in memory. */
  readonly #files: { readonly database: number; readonly log: number } | undefined;
  readonly #reserve: DiskReserve | undefined;
  #queue: Write[] = [];
  /** Committed, and not on disk for certain. */
  #unsynced: Write[] = [];
  #syncing = false;
  #scheduled = false;
  #commits = 0;
  #checkpointing = false;
  #closed = false;

  /**
   * @param path a file, or `:memory:`
   * @throws system when the file is damaged, or no database
   */
  constructor(path: string) {
    if (path === ':memory:') {
      this.#db = openDatabase(path);
      return;
    }
    const reserve = new DiskReserve(`${path}-reserve`);
    this.#reserve = reserve;
    try {
      this.#db = withReserve(reserve, () => openDatabase(path));
    } catch (error) {
      throw isFull(error) ? noSpace(path, error) : damaged(path, error);
    }
    this.#files = { database: openSync(path, 'r+'), log: openSync(`${path}-wal`, 'r+') };
    void reserve.take();
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
    if (version === statements.length) return;
    this.#transaction(() => {
      for (const statement of statements.slice(version)) this.#db.exec(statement);
      this.#db
        .prepare('INSERT INTO schema_version VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version')
        .run(room, statements.length);
    });
  }

  /** A prepared statement, kept for the life of the store. Changes belong into {@link write}. */
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
      if (this.#closed) throw systemError('the state store is closed');
      this.#queue.push({ run: write, durable, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.flush());
    });
  }

  /** Commits what is queued, at once; those who wait for the disk are answered later. */
  flush(): void {
    this.#scheduled = false;
    // The log must not be overwritten before its copy in the database is on disk; the checkpoint flushes when it ends.
    if (this.#checkpointing || this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    let failed: ReadonlyMap<Write, unknown>;
    try {
      failed = withReserve(this.#reserve, () => this.#commit(queue));
    } catch (error) {
      const reason = isFull(error) ? noSpace('the state', error) : error;
      for (const write of queue) write.reject(reason);
      return;
    }
    this.#commits++;
    for (const write of queue) {
      if (failed.has(write)) write.reject(failed.get(write));
      else if (write.durable && this.#files) this.#unsynced.push(write);
      else write.resolve();
    }
    void this.#sync();
  }

  /** Commits all of `queue` but those that fail, which are returned with their reasons. */
  #commit(queue: readonly Write[]): ReadonlyMap<Write, unknown> {
    const failed = new Map<Write, unknown>();
    this.#transaction(() => {
      for (const write of queue) {
        this.#db.exec('SAVEPOINT one_write');
        try {
          write.run(this.#db);
        } catch (error) {
          // SQLite may have undone the whole transaction by then.
          if (isFull(error)) throw error;
          failed.set(write, error);
          this.#db.exec('ROLLBACK TO one_write');
        }
        this.#db.exec('RELEASE one_write');
      }
    });
    return failed;
  }

  /** Syncs the log until nobody waits for it, then copies it into the database when it has grown. */
  async #sync(): Promise<void> {
    if (this.#syncing || !this.#files) return;
    this.#syncing = true;
    try {
      while (this.#unsynced.length > 0 || this.#commits >= COMMITS_A_CHECKPOINT) {
        const waiting = this.#unsynced;
        this.#unsynced = [];
        try {
          await sync(this.#files.log);
          for (const write of waiting) write.resolve();
        } catch (error) {
          for (const write of waiting) write.reject(error);
        }
        if (this.#closed) return;
        if (this.#commits >= COMMITS_A_CHECKPOINT && this.#unsynced.length === 0) await this.#checkpoint(this.#files);
      }
    } finally {
      this.#syncing = false;
    }
  }

  async #checkpoint({ database, log }: { readonly database: number; readonly log: number }): Promise<void> {
    this.#commits = 0;
    this.#checkpointing = true;
    try {
      // The log is synced here and the database below: SQLite need not wait for the disk itself.
      await sync(log);
      if (this.#closed) return;
      this.#db.exec('PRAGMA synchronous = OFF');
      try {
        this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
      } finally {
        this.#db.exec('PRAGMA synchronous = NORMAL');
      }
      await sync(database);
    } catch {
      // The log has it all and goes on growing; the next checkpoint may find room.
      this.#reserve?.release();
    } finally {
      this.#checkpointing = false;
      if (!this.#closed) this.flush();
    }
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

  /** Writes what is queued; closing copies the log into the database and syncs both. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#checkpointing = false;
    this.flush();
    this.#closed = true;
    this.#reserve?.[Symbol.dispose]();
    try {
      withReserve(this.#reserve, () => this.#db.exec('PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)'));
    } catch {
      // The next start finds everything in the log.
    }
    this.#db.close();
    for (const { resolve } of this.#unsynced.splice(0)) resolve();
    if (!this.#files) return;
    closeSync(this.#files.database);
    closeSync(this.#files.log);
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000 });
  // Its one user holds the lock for good, and needs no shared memory: a commit is then half as many system calls.
  try {
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000',
    );
    db.exec('CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT');
    // A start after a crash finds a log of any length.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Does `work`, once more with the reserve given up when the disk is full. */
function withReserve<T>(reserve: DiskReserve | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isFull(error) || !reserve?.release()) throw error;
    return work();
  }
}

function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  const code = Number(error.errcode) & 0xff;
  return code === SQLITE_FULL || code === SQLITE_IOERR;
}

function noSpace(what: string, cause: unknown): GantryError {
  return systemError(`write ${what}: no space left on device`, {
    hint: 'free some disk space, for example by removing containers or images',
    cause,
  });
}

function damaged(path: string, cause: unknown): GantryError {
  return systemError(`open the state database ${path}: ${messageOf(cause)}`, {
    hint: 'restore it from a backup, or move it away to begin with an empty state: images and volumes stay on disk',
    cause,
  });
}
