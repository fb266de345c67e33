import { chmod, chown, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, messageOf, notFound, systemError } from '@gantry/errors';
import { file } from '@gantry/linux';
import type { StateStore } from '@gantry/store';
import { copyUp, hasDirectory, STAGING, UNFINISHED, waitsForFilling } from './copy-up.ts';
import type { VolumeRecord, VolumeStore } from './face.ts';
import { ANONYMOUS_LABEL, anonymousName, checkVolumeName } from './names.ts';
import { type LocalOptions, readDriverOptions } from './options.ts';
import { checkQuotaSupport, FIRST_PROJECT, forgetProject, limitDirectory } from './quota.ts';
import { treeSizes } from './tree-sizes.ts';
import { type HostRun, VolumeUses } from './uses.ts';

const DATA = '_data';
const TRASH = '.trash';
/** Between a volume's name and the rest of its name in the trash; no volume has it in its name. */
const AT = '@';

const MIGRATION = {
  room: 'volumes',
  statements: [
    `CREATE TABLE volume (
      name TEXT PRIMARY KEY, created_at_ms INTEGER NOT NULL, labels TEXT NOT NULL, options TEXT NOT NULL,
      anonymous INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    'ALTER TABLE volume ADD COLUMN project INTEGER NOT NULL DEFAULT 0',
  ],
};

/**
 * Opens the volumes below `root` (`<data-root>/volumes`), known to the state store. The local driver keeps each in
 * `<root>/<name>/_data`.
 * @param options.run mounts and unmounts on the host
 */
export async function openVolumeStore(options: {
  readonly root: string;
  readonly store: StateStore;
  readonly run: HostRun;
}): Promise<VolumeStore> {
  const { root, store } = options;
  store.migrate(MIGRATION);
  await mkdir(root, { recursive: true, mode: 0o701 });
  // Volumes are filled here, often just after others were removed.
  file.spreadSubdirectories(root);
  const volumes = new LocalVolumes(root, store, new VolumeUses(options.run));
  await volumes.finishRemovals();
  return volumes;
}

/** A volume with what only its driver has to know. */
type Known = { readonly record: VolumeRecord; readonly local: LocalOptions; readonly project: number };

class LocalVolumes implements VolumeStore {
  readonly #root: string;
  readonly #store: StateStore;
  readonly #uses: VolumeUses;
  readonly #volumes = new Map<string, Known>();
  /** Work under way, by name: the next one waits for the last. */
  readonly #busy = new Map<string, Promise<unknown>>();
  #jobs = 0;
  #nextProject = FIRST_PROJECT;

  constructor(root: string, store: StateStore, uses: VolumeUses) {
    this.#root = root;
    this.#store = store;
    this.#uses = uses;
    for (const row of store.statement('SELECT * FROM volume').all()) {
      const name = String(row.name);
      const record = this.#record(name, {
        createdAtMs: Number(row.created_at_ms),
        labels: JSON.parse(String(row.labels)),
        options: JSON.parse(String(row.options)),
        anonymous: row.anonymous === 1,
      });
      const local = readDriverOptions(name, record.options);
      const project = Number(row.project);
      this.#nextProject = Math.max(this.#nextProject, project + 1);
      this.#volumes.set(name, { record, local, project });
    }
  }

  #record(name: string, rest: Pick<VolumeRecord, 'createdAtMs' | 'labels' | 'options' | 'anonymous'>): VolumeRecord {
    return { name, driver: 'local', mountpoint: join(this.#root, name, DATA), ...rest };
  }

  list(): readonly VolumeRecord[] {
    return [...this.#volumes.values()].map(({ record }) => record);
  }

  get(name: string): VolumeRecord {
    return this.#known(name).record;
  }

  #known(name: string): Known {
    const known = this.#volumes.get(name);
    if (!known) throw notFound(`get ${name}: no such volume`);
    return known;
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
    const local = readDriverOptions(name, request.driverOptions);
    return this.#alone(name, async () => {
      // As in dockerd: whoever asks for a name that exists gets that volume, with the options it was made with.
      const known = this.#volumes.get(name);
      if (known) return known.record;
      if (local.sizeBytes > 0) checkQuotaSupport(name, this.#root);
      const labels = anonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : { ...request.labels };
      const record = this.#record(name, {
        createdAtMs: Date.now(),
        labels,
        options: { ...request.driverOptions },
        anonymous,
      });
      const volume = { record, local, project: local.sizeBytes > 0 ? this.#nextProject++ : 0 };
      await this.#makeDirectories(volume);
      await this.#insert(volume);
      this.#volumes.set(name, volume);
      return record;
    });
  }

  async #insert({ record, project }: Known): Promise<void> {
    const { name, createdAtMs, labels, options, anonymous } = record;
    const columns = 'name, created_at_ms, labels, options, anonymous, project';
    await this.#store.write(() => {
      this.#store
        .statement(`INSERT INTO volume (${columns}) VALUES (?, ?, ?, ?, ?, ?)`)
        .run(name, createdAtMs, JSON.stringify(labels), JSON.stringify(options), anonymous ? 1 : 0, project);
    });
  }

  /** A directory that nobody knows is what a crash between mkdir and commit has left: it is taken over. */
  async #makeDirectories({ record, local, project }: Known): Promise<void> {
    const { mountpoint, name } = record;
    try {
      await mkdir(join(this.#root, name), { recursive: true, mode: 0o701 });
      await mkdir(mountpoint, { recursive: true, mode: 0o755 });
      const { uid, gid, mode } = local;
      if (uid !== undefined || gid !== undefined) await chown(mountpoint, uid ?? 0, gid ?? 0);
      if (mode !== undefined) await chmod(mountpoint, mode);
    } catch (error) {
      throw systemError(`error while creating volume data path '${mountpoint}': ${messageOf(error)}`, {
        cause: error,
      });
    }
    if (project !== 0) limitDirectory(name, mountpoint, project, local.sizeBytes);
  }

  async remove(name: string): Promise<void> {
    await this.#alone(name, async () => {
      const { project, record } = this.#known(name);
      if (this.#uses.of(name).size > 0) {
        throw conflict(`remove ${name}: volume has active mounts`, {
          hint: 'something reads or writes its files right now: try again',
        });
      }
      // What is mounted there, by a hand that is not ours, is not the volume's and must not be removed with it.
      if (isMountpoint(record.mountpoint)) await this.#uses.unmount(record.mountpoint);
      // The directory first: a row whose directory is in the trash is forgotten at the next start.
      await this.#discard(name);
      await this.#store.write(() => {
        this.#store.statement('DELETE FROM volume WHERE name = ?').run(name);
      });
      this.#volumes.delete(name);
      if (project !== 0) forgetProject(this.#root, project);
    });
  }

  /** Renamed first, so that the name is free at once; the bytes go in the background. */
  async #discard(name: string): Promise<void> {
    const trash = join(this.#root, TRASH);
    const grave = join(trash, `${name}${AT}${anonymousName()}`.slice(-255));
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

  /** Ends what a stop of the engine has cut short: removals, fillings, restores. */
  async finishRemovals(): Promise<void> {
    const trash = join(this.#root, TRASH);
    const present = new Set(await readdir(this.#root));
    const gone = (await readdir(trash).catch((): string[] => []))
      .map(grave => grave.split(AT)[0] ?? '')
      .filter(name => this.#volumes.has(name) && !present.has(name));
    if (gone.length > 0) {
      await this.#store.write(() => {
        for (const name of gone) this.#store.statement('DELETE FROM volume WHERE name = ?').run(name);
      });
    }
    for (const name of gone) this.#volumes.delete(name);
    await rm(trash, { recursive: true, force: true });
    for (const name of this.#volumes.keys()) {
      if (present.has(name)) await rm(join(this.#root, name, STAGING), { recursive: true, force: true });
    }
  }

  async sizes(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const own = names.map(name => this.#known(name)).filter(({ local }) => local.mount === undefined);
    const sizes = await treeSizes(own.map(({ record }) => record.mountpoint));
    return new Map(own.map(({ record }, i) => [record.name, sizes[i] ?? 0]));
  }

  acquire(name: string, user: string): Promise<void> {
    return this.#alone(name, () => this.#begin(this.#known(name), user));
  }

  async #begin({ record, local }: Known, user: string): Promise<void> {
    await this.#uses.begin(record.name, user, record.mountpoint, local.mount);
  }

  async release(name: string, user: string): Promise<void> {
    await this.#alone(name, () => this.#uses.end(name, user, join(this.#root, name, DATA)));
  }

  usersOf(name: string): ReadonlySet<string> {
    return this.#uses.of(name);
  }

  async adopt(users: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const places = [...this.#volumes.values()].filter(({ local }) => local.mount !== undefined);
    await this.#uses.adopt(users, new Map(places.map(({ record }) => [record.name, record.mountpoint])), this.#root);
  }

  async waitsForFilling(name: string): Promise<boolean> {
    const { record, local } = this.#known(name);
    // What lives elsewhere is looked at when it is mounted; one that is gone is found by who fills it.
    return local.mount !== undefined || (await waitsForFilling(record.mountpoint).catch(() => true));
  }

  async copyUp(name: string, rootDescriptor: number, path: string): Promise<void> {
    const known = this.#known(name);
    // Nothing is mounted for a root that has nothing to give.
    if (!hasDirectory(rootDescriptor, path)) return;
    await this.#using(known, ({ record, local, project }, users) =>
      copyUp({
        rootFd: rootDescriptor,
        path,
        target: record.mountpoint,
        inPlace: users.length > 0 || local.mount !== undefined,
        top: local,
        prepare: directory => {
          if (project !== 0) limitDirectory(name, directory, project, local.sizeBytes);
        },
      }),
    );
  }

  async replace(name: string, fill: (directory: string) => Promise<void>): Promise<void> {
    await this.#using(this.#known(name), async ({ record, local, project }, users) => {
      if (users.length > 0) {
        throw conflict(`restore ${name}: volume is in use - [${users.join(', ')}]`, {
          hint: 'stop the containers that use it',
        });
      }
      const { mountpoint } = record;
      if (local.mount) {
        const there = await readdir(mountpoint);
        if (there.length > 0 && !(there.length === 1 && there[0] === 'lost+found')) {
          throw conflict(`restore ${name}: volume is not empty`, {
            hint: 'what is mounted from elsewhere is not replaced: remove its files first',
          });
        }
        try {
          await fill(mountpoint);
        } catch (error) {
          for (const entry of await readdir(mountpoint).catch((): string[] => [])) {
            if (!there.includes(entry)) await rm(join(mountpoint, entry), { recursive: true, force: true });
          }
          throw error;
        }
        return;
      }
      const staging = join(this.#root, name, STAGING);
      await rm(staging, { recursive: true, force: true });
      try {
        await mkdir(staging, { mode: 0o755 });
        // What it replaces counts for another project: both are there for a while.
        const next = project === 0 ? 0 : this.#nextProject++;
        if (next !== 0) limitDirectory(name, staging, next, local.sizeBytes);
        await fill(staging);
        await this.#putInPlace(staging, mountpoint);
        if (next !== 0) await this.#changeProject({ record, local, project: next }, project);
      } catch (error) {
        await rm(staging, { recursive: true, force: true }).catch(() => {});
        throw error;
      }
    });
  }

  async #changeProject(volume: Known, before: number): Promise<void> {
    const { name } = volume.record;
    this.#volumes.set(name, volume);
    await this.#store.write(() => {
      this.#store.statement('UPDATE volume SET project = ? WHERE name = ?').run(volume.project, name);
    });
    forgetProject(this.#root, before);
  }

  /** At every moment the volume has its old data, or its new. */
  async #putInPlace(staging: string, mountpoint: string): Promise<void> {
    if (!file.tryExchange(file.byteString(staging), file.byteString(mountpoint))) await rename(staging, mountpoint);
    await rm(join(mountpoint, '..', UNFINISHED), { force: true });
    const trash = join(this.#root, TRASH);
    await mkdir(trash, { recursive: true, mode: 0o700 });
    const grave = join(trash, `${AT}${anonymousName()}`);
    await rename(staging, grave).catch(() => {});
    rm(grave, { recursive: true, force: true }).catch(() => {}); // tried again when the store is opened
  }

  /** Uses a volume for the time of `work`, which nothing else of the store interrupts. */
  async #using<T>(known: Known, work: (known: Known, users: readonly string[]) => Promise<T>): Promise<T> {
    const { name, mountpoint } = known.record;
    const user = `job-${++this.#jobs}`;
    return this.#alone(name, async () => {
      const users = [...this.#uses.of(name)];
      await this.#begin(this.#known(name), user);
      try {
        return await work(known, users);
      } finally {
        await this.#uses.end(name, user, mountpoint);
      }
    });
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

/** Whether something is mounted over a directory: it is reached by another mount than the directory above it. */
function isMountpoint(path: string): boolean {
  const at = (name: string): number | undefined => file.statusAt(file.AT_FDCWD, file.byteString(name))?.mountId;
  const inside = at(path);
  return inside !== undefined && inside !== at(join(path, '..'));
}
