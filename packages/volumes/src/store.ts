import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, notFound, systemError } from '@gantry/errors';
import type { StateStore } from '@gantry/store';
import { copyUp } from './copy-up.ts';
import type { VolumeRecord, VolumeStore } from './face.ts';
import { ANONYMOUS_LABEL, anonymousName, checkVolumeName } from './names.ts';
import { boundDirectory, checkDriverOptions } from './options.ts';
import { treeSizes } from './tree-sizes.ts';

const DATA = '_data';
const TRASH = '.trash';

const MIGRATION = {
  room: 'volumes',
  statements: [
    `CREATE TABLE volume (
      name TEXT PRIMARY KEY, created_at_ms INTEGER NOT NULL, labels TEXT NOT NULL, options TEXT NOT NULL,
      anonymous INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
  ],
};

/**
 * Opens the volumes below `root` (`<data-root>/volumes`), known to the state store. The local driver keeps each in
 * `<root>/<name>/_data`.
 */
export async function openVolumeStore(options: {
  readonly root: string;
  readonly store: StateStore;
}): Promise<VolumeStore> {
  options.store.migrate(MIGRATION);
  await mkdir(options.root, { recursive: true, mode: 0o701 });
  // What a removal that was cut short has left.
  await rm(join(options.root, TRASH), { recursive: true, force: true });
  return new LocalVolumes(options.root, options.store);
}

class LocalVolumes implements VolumeStore {
  readonly #root: string;
  readonly #store: StateStore;
  readonly #volumes = new Map<string, VolumeRecord>();
  /** Creations and removals under way, by name: the next one waits for the last. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(root: string, store: StateStore) {
    this.#root = root;
    this.#store = store;
    for (const row of store.statement('SELECT * FROM volume').all()) {
      const name = String(row.name);
      this.#volumes.set(
        name,
        this.#record(name, {
          createdAtMs: Number(row.created_at_ms),
          labels: JSON.parse(String(row.labels)),
          options: JSON.parse(String(row.options)),
          anonymous: row.anonymous === 1,
        }),
      );
    }
  }

  #record(name: string, rest: Pick<VolumeRecord, 'createdAtMs' | 'labels' | 'options' | 'anonymous'>): VolumeRecord {
    return { name, driver: 'local', mountpoint: join(this.#root, name, DATA), ...rest };
  }

  list(): readonly VolumeRecord[] {
    return [...this.#volumes.values()];
  }

  get(name: string): VolumeRecord {
    const volume = this.#volumes.get(name);
    if (!volume) throw notFound(`get ${name}: no such volume`);
    return volume;
  }

  async create(request: Parameters<VolumeStore['create']>[0]): Promise<VolumeRecord> {
    const anonymous = request.name === undefined || request.name === '';
    const name = anonymous ? anonymousName() : (request.name ?? '');
    if (request.driver !== 'local' && request.driver !== '') {
      throw notFound(
        `create ${name}: error looking up volume plugin ${request.driver}: plugin ${JSON.stringify(request.driver)} not found`,
      );
    }
    checkVolumeName(name);
    checkDriverOptions(name, request.driverOptions);
    return this.#alone(name, async () => {
      // As in dockerd: whoever asks for a name that exists gets that volume, with the options it was made with.
      const known = this.#volumes.get(name);
      if (known) return known;
      const labels = anonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : { ...request.labels };
      const volume = this.#record(name, {
        createdAtMs: Date.now(),
        labels,
        options: { ...request.driverOptions },
        anonymous,
      });
      await this.#makeDirectories(volume);
      await this.#store.write(() => {
        this.#store
          .statement('INSERT INTO volume (name, created_at_ms, labels, options, anonymous) VALUES (?, ?, ?, ?, ?)')
          .run(name, volume.createdAtMs, JSON.stringify(labels), JSON.stringify(volume.options), anonymous ? 1 : 0);
      });
      this.#volumes.set(name, volume);
      return volume;
    });
  }

  /** A directory that nobody knows is what a crash between mkdir and commit has left: it is taken over. */
  async #makeDirectories(volume: VolumeRecord): Promise<void> {
    try {
      await mkdir(join(this.#root, volume.name), { recursive: true, mode: 0o701 });
      await mkdir(volume.mountpoint, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw systemError(`error while creating volume data path '${volume.mountpoint}': ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async remove(name: string): Promise<void> {
    await this.#alone(name, async () => {
      this.get(name);
      await this.#store.write(() => {
        this.#store.statement('DELETE FROM volume WHERE name = ?').run(name);
      });
      this.#volumes.delete(name);
      await this.#discard(name);
    });
  }

  /** Renamed first, so that the name is free at once; the bytes go in the background. */
  async #discard(name: string): Promise<void> {
    const trash = join(this.#root, TRASH);
    const grave = join(trash, anonymousName());
    await mkdir(trash, { recursive: true, mode: 0o700 });
    try {
      await rename(join(this.#root, name), grave);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      throw systemError(`error removing volume path '${join(this.#root, name)}': ${messageOf(error)}`, {
        cause: error,
      });
    }
    rm(grave, { recursive: true, force: true }).catch(() => {}); // tried again when the store is opened
  }

  async sizes(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const own = names.map(name => this.get(name)).filter(({ options }) => Object.keys(options).length === 0);
    const sizes = await treeSizes(own.map(({ mountpoint }) => mountpoint));
    return new Map(own.map(({ name }, i) => [name, sizes[i] ?? 0]));
  }

  async copyUp(name: string, rootDescriptor: number, path: string): Promise<void> {
    const volume = this.get(name);
    const bound = boundDirectory(volume.options);
    if (bound !== undefined && !existsSync(bound)) {
      throw systemError(
        `failed to populate volume: error while mounting volume '${volume.mountpoint}': failed to mount local volume: mount ${bound}:${volume.mountpoint}, flags: 0x1000: no such file or directory`,
        { hint: 'make the directory that the volume was created for' },
      );
    }
    const target = bound ?? volume.mountpoint;
    await this.#alone(name, () => copyUp(rootDescriptor, path, target));
  }

  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(name) ?? Promise.resolve();
    const run = before.then(work, work);
    const settled = run.then(
      () => {},
      () => {},
    );
    this.#busy.set(name, settled);
    try {
      return await run;
    } finally {
      if (this.#busy.get(name) === settled) this.#busy.delete(name);
    }
  }
}
