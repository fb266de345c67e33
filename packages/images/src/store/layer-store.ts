import type { CleanupStack } from '@gantry/jobs';
import { chainIds, type Digest } from '@gantry/oci';
import type { StorageDriver } from '../storage/driver.ts';
import type { TakenLayer } from '../unpack/layer-intake.ts';
import type { UnpackLimits } from '../unpack/unpacker.ts';
import type { Workers } from '../worker/workers.ts';
import type { ImageDatabase, LayerRow } from './database.ts';

/** A layer that is on disk but belongs to no image yet. */
export type StagedLayer = { readonly key: string; readonly directory: string; readonly taken: TakenLayer };

/** A layer of an image that is about to be stored, bottom first in lists. */
export type WantedLayer = { readonly key: string; readonly chainId: Digest; readonly diffId: Digest };

/** The layers of one driver: what is on disk, what uses it, and what may go. */
export class LayerStore {
  readonly driver: StorageDriver;
  readonly workers: Workers;
  readonly #database: ImageDatabase;
  /** Layers that something is about to use, by count: they stay although no image has them. */
  readonly #pins = new Map<string, number>();
  #removing: Promise<void> = Promise.resolve();
  #nextFolder = 1;
  /** Some layer without an image waits for its last container. */
  #heldByContainers = true;

  constructor(driver: StorageDriver, workers: Workers, database: ImageDatabase) {
    this.driver = driver;
    this.workers = workers;
    this.#database = database;
  }

  /** Brings the disk in line with the database after any kind of stop. */
  async recover(): Promise<void> {
    const known = new Set(this.#database.layers().map(layer => layer.folder));
    const gone: string[] = await this.driver.leftovers();
    for (const folder of await this.driver.layers()) {
      const number = Number.parseInt(folder, 36);
      if (number >= this.#nextFolder) this.#nextFolder = number + 1;
      if (!known.has(folder)) gone.push(await this.driver.discard(this.driver.layerPath(folder)));
    }
    this.removeLater(gone);
  }

  /** What identifies each layer of an image with these diff ids. */
  wanted(diffIds: readonly Digest[]): WantedLayer[] {
    const chain = chainIds(diffIds);
    return diffIds.map((diffId, i) => {
      const chainId = chain[i] ?? diffId;
      return { key: this.driver.form === 'difference' ? diffId : chainId, chainId, diffId };
    });
  }

  pin(keys: Iterable<string>): Disposable {
    const pinned = [...keys];
    for (const key of pinned) this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const key of pinned.splice(0)) {
          const count = (this.#pins.get(key) ?? 1) - 1;
          if (count === 0) this.#pins.delete(key);
          else this.#pins.set(key, count);
        }
      },
    };
  }

  /** Where a layer lies now, placed or staged. */
  directoryOf(key: string, staged: readonly StagedLayer[]): string | undefined {
    const folder = this.#database.layer(key)?.folder;
    if (folder !== undefined) return this.driver.layerPath(folder);
    return staged.find(layer => layer.key === key)?.directory;
  }

  /** Bounds for unpacking: never more than the disk can hold, and some room stays for everything else. */
  limits(freeBytes: number): UnpackLimits {
    return { maxEntries: 20_000_000, maxBytes: freeBytes - Math.min(freeBytes / 8, 64 * 1024 * 1024) };
  }

  /** Moves staged layers to their places and makes all of it durable; the rows are for the caller's write. */
  async place(staged: readonly StagedLayer[], root: string, undo: CleanupStack): Promise<LayerRow[]> {
    const rows: LayerRow[] = [];
    for (const { key, directory, taken } of staged) {
      const folder = (this.#nextFolder++).toString(36);
      await this.driver.accept(directory, folder);
      undo.push('remove the layer', async () =>
        this.removeLater([await this.driver.discard(this.driver.layerPath(folder))]),
      );
      const { diffId, sizeBytes, archiveBytes, keptBlob } = taken;
      rows.push({ key, folder, diffId, sizeBytes, archiveBytes, keptBlob });
    }
    if (rows.length > 0) await this.workers.run({ kind: 'sync', path: root });
    return rows;
  }

  /** Removes layers that no image, container or transfer uses. */
  async sweep(): Promise<void> {
    const candidates = this.#database.unusedLayers();
    if (candidates.length === 0) {
      this.#heldByContainers = false;
      return;
    }
    const gone: LayerRow[] = [];
    this.#heldByContainers = false;
    await this.#database.write(() => {
      // Read in here, in one go with the pins: a container that was made a moment ago is seen in one of the two.
      const used = new Set(this.driver.containers().flatMap(id => this.#lowerOf(id)));
      const unused = new Set(this.#database.unusedLayers().map(layer => layer.key));
      for (const layer of candidates) {
        if (used.has(layer.folder)) this.#heldByContainers = true;
        if (this.#pins.has(layer.key) || used.has(layer.folder) || !unused.has(layer.key)) continue;
        this.#database.deleteLayer(layer.key);
        gone.push(layer);
      }
      this.#database.forgetUnusedBlobs();
    });
    const trash: string[] = [];
    for (const { folder } of gone) trash.push(await this.driver.discard(this.driver.layerPath(folder)));
    this.removeLater(trash);
  }

  /** To be called when a container's writable layer is gone. */
  async containerGone(): Promise<void> {
    if (this.#heldByContainers) await this.sweep();
  }

  #lowerOf(id: string): readonly string[] {
    try {
      return this.driver.containerLower(id);
    } catch {
      return [];
    }
  }

  /** Removes what was put in the trash, in a worker, one batch after the other. */
  removeLater(paths: readonly string[]): void {
    if (paths.length === 0) return;
    this.#removing = this.#removing.then(() => this.workers.run({ kind: 'remove', paths })).catch(() => {});
  }

  /** Resolves when nothing is being removed any more. */
  async settled(): Promise<void> {
    for (let last: Promise<void> | undefined; last !== this.#removing; ) {
      last = this.#removing;
      await last;
    }
  }

  async discardDirectory(path: string): Promise<void> {
    try {
      this.removeLater([await this.driver.discard(path)]);
    } catch {
      // It was placed, or never made.
    }
  }
}
