import type { StateStore } from '@gantry/store';
import { IMAGES } from './schema.ts';

export type ImageRow = {
  readonly id: string;
  readonly parentId: string | undefined;
  readonly sizeBytes: number;
  readonly lastTaggedAtMs: number;
  readonly storedAtMs: number;
  /** 0 for never. */
  readonly lastUsedAtMs: number;
};

export type NameRow = {
  readonly name: string;
  readonly kind: 'tag' | 'digest';
  readonly imageId: string;
  /** Digest of the index or manifest that the name was pulled or loaded as. */
  readonly target: string | undefined;
};

export type LayerRow = {
  /** What makes the layer what it is: its diff id, or its chain id where a layer holds the ones below too. */
  readonly key: string;
  readonly folder: string;
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly archiveBytes: number;
  /** Digest of the compressed blob that lies beside the layer's tree. */
  readonly keptBlob: string | undefined;
};

export type ImageLayerRow = LayerRow & { readonly chainId: string };

export type BlobRow = {
  readonly diffId: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly repository: string;
};

export type ManifestRow = { readonly digest: string; readonly mediaType: string };

type Row = Record<string, unknown>;

const text = (value: unknown): string => String(value);
const number = (value: unknown): number => Number(value);

/** The room `images` of the state store, for one storage driver. Reads are immediate, writes are for `StateStore.write`. */
export class ImageDatabase {
  readonly #store: StateStore;
  readonly #driver: string;

  constructor(store: StateStore, driver: string) {
    this.#store = store;
    this.#driver = driver;
  }

  /** Brings the tables up to date and names the driver that most images belong to. */
  static prepare(store: StateStore): string | undefined {
    store.migrate(IMAGES);
    const row = store.statement('SELECT driver FROM images GROUP BY driver ORDER BY count(*) DESC LIMIT 1').get();
    return row === undefined ? undefined : text(row.driver);
  }

  /** Runs `write`, durably unless it is said not to matter. */
  async write(write: () => void, options: { readonly durable: boolean } = { durable: true }): Promise<void> {
    await this.#store.write(write, options);
  }

  #all(sql: string, ...values: (string | number | null)[]): Row[] {
    return this.#store.statement(sql).all(this.#driver, ...values);
  }

  #get(sql: string, ...values: (string | number | null)[]): Row | undefined {
    return this.#store.statement(sql).get(this.#driver, ...values);
  }

  #run(sql: string, ...values: (string | number | null)[]): void {
    this.#store.statement(sql).run(this.#driver, ...values);
  }

  images(): ImageRow[] {
    return this.#all('SELECT * FROM images WHERE driver = ?').map(imageRow);
  }

  image(id: string): ImageRow | undefined {
    const row = this.#get('SELECT * FROM images WHERE driver = ? AND id = ?', id);
    return row && imageRow(row);
  }

  /** Ids that begin with `prefix`, at most two of them. */
  imagesByPrefix(prefix: string): string[] {
    const sql = 'SELECT id FROM images WHERE driver = ? AND id >= ? AND id < ? LIMIT 2';
    return this.#all(sql, prefix, `${prefix}g`).map(row => text(row.id));
  }

  children(id: string): string[] {
    return this.#all('SELECT id FROM images WHERE driver = ? AND parent_id = ?', id).map(row => text(row.id));
  }

  putImage(image: { id: string; parentId: string | undefined; sizeBytes: number }, nowMs: number): void {
    const sql = `INSERT INTO images (driver, id, parent_id, size_bytes, stored_at_ms, last_tagged_at_ms) VALUES (?, ?, ?, ?, ?, 0)
      ON CONFLICT (driver, id) DO NOTHING`;
    this.#run(sql, image.id, image.parentId ?? null, image.sizeBytes, nowMs);
  }

  setTaggedAt(id: string, nowMs: number): void {
    this.#store
      .statement('UPDATE images SET last_tagged_at_ms = ? WHERE driver = ? AND id = ?')
      .run(nowMs, this.#driver, id);
  }

  /** Notes that an image was used; one row a write, whoever asks. */
  setUsedAt(id: string, nowMs: number): void {
    this.#store
      .statement('UPDATE images SET last_used_at_ms = ? WHERE driver = ? AND id = ?')
      .run(nowMs, this.#driver, id);
  }

  deleteImage(id: string): void {
    this.#run('DELETE FROM images WHERE driver = ? AND id = ?', id);
  }

  name(name: string): NameRow | undefined {
    const row = this.#get('SELECT * FROM image_names WHERE driver = ? AND name = ?', name);
    return row && nameRow(row);
  }

  names(): NameRow[] {
    return this.#all('SELECT * FROM image_names WHERE driver = ? ORDER BY name').map(nameRow);
  }

  namesOf(imageId: string): NameRow[] {
    return this.#all('SELECT * FROM image_names WHERE driver = ? AND image_id = ? ORDER BY name', imageId).map(nameRow);
  }

  putName({ name, kind, imageId, target }: NameRow): void {
    const sql = `INSERT INTO image_names (driver, name, kind, image_id, target) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (driver, name) DO UPDATE SET image_id = excluded.image_id, target = excluded.target`;
    this.#run(sql, name, kind, imageId, target ?? null);
  }

  /** Images of other platforms that a name has beside its first. */
  platformsOf(name: string): string[] {
    const sql = 'SELECT image_id FROM name_platforms WHERE driver = ? AND name = ? ORDER BY image_id';
    return this.#all(sql, name).map(row => text(row.image_id));
  }

  setPlatforms(name: string, imageIds: readonly string[]): void {
    this.#run('DELETE FROM name_platforms WHERE driver = ? AND name = ?', name);
    for (const id of imageIds)
      this.#run('INSERT INTO name_platforms (driver, name, image_id) VALUES (?, ?, ?)', name, id);
  }

  /** Names that have an image as another platform than their first. */
  namesBeside(imageId: string): NameRow[] {
    const sql = `SELECT n.* FROM name_platforms p JOIN image_names n ON n.driver = p.driver AND n.name = p.name
      WHERE p.driver = ? AND p.image_id = ? ORDER BY n.name`;
    return this.#all(sql, imageId).map(nameRow);
  }

  /** Whether a name, as its first or another platform, or a child image stands on an image. */
  isHeld(imageId: string): boolean {
    return (
      this.namesOf(imageId).length > 0 || this.namesBeside(imageId).length > 0 || this.children(imageId).length > 0
    );
  }

  deleteName(name: string): void {
    this.#run('DELETE FROM image_names WHERE driver = ? AND name = ?', name);
  }

  layer(key: string): LayerRow | undefined {
    const row = this.#get('SELECT * FROM layers WHERE driver = ? AND key = ?', key);
    return row && layerRow(row);
  }

  layers(): LayerRow[] {
    return this.#all('SELECT * FROM layers WHERE driver = ?').map(layerRow);
  }

  putLayer({ key, folder, diffId, sizeBytes, archiveBytes, keptBlob }: LayerRow): void {
    const sql = `INSERT INTO layers (driver, key, folder, diff_id, size_bytes, archive_bytes, kept_blob)
      VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (driver, key) DO NOTHING`;
    this.#run(sql, key, folder, diffId, sizeBytes, archiveBytes, keptBlob ?? null);
  }

  deleteLayer(key: string): void {
    this.#run('DELETE FROM layers WHERE driver = ? AND key = ?', key);
  }

  /** Layers that no image has. */
  unusedLayers(): LayerRow[] {
    const sql = `SELECT * FROM layers WHERE driver = ? AND NOT EXISTS
      (SELECT 1 FROM image_layers i WHERE i.driver = layers.driver AND i.layer_key = layers.key)`;
    return this.#all(sql).map(layerRow);
  }

  /** Bottom first. */
  imageLayers(imageId: string): ImageLayerRow[] {
    const sql = `SELECT l.*, i.chain_id FROM image_layers i JOIN layers l ON l.driver = i.driver AND l.key = i.layer_key
      WHERE i.driver = ? AND i.image_id = ? ORDER BY i.position`;
    return this.#all(sql, imageId).map(row => ({ ...layerRow(row), chainId: text(row.chain_id) }));
  }

  putImageLayer(imageId: string, position: number, chainId: string, key: string): void {
    const sql = `INSERT INTO image_layers (driver, image_id, position, chain_id, layer_key) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (driver, image_id, position) DO NOTHING`;
    this.#run(sql, imageId, position, chainId, key);
  }

  chainIsUsed(chainId: string): boolean {
    return this.#get('SELECT 1 FROM image_layers WHERE driver = ? AND chain_id = ? LIMIT 1', chainId) !== undefined;
  }

  putManifest(imageId: string, { digest, mediaType }: ManifestRow): void {
    const sql = `INSERT INTO image_manifests (driver, image_id, digest, media_type) VALUES (?, ?, ?, ?)
      ON CONFLICT (driver, image_id, digest) DO NOTHING`;
    this.#run(sql, imageId, digest, mediaType);
  }

  manifestsOf(imageId: string): ManifestRow[] {
    const sql = 'SELECT digest, media_type FROM image_manifests WHERE driver = ? AND image_id = ?';
    return this.#all(sql, imageId).map(row => ({ digest: text(row.digest), mediaType: text(row.media_type) }));
  }

  /** The image that a manifest belongs to; an index belongs to several. */
  imagesOfManifest(digest: string): string[] {
    const sql = 'SELECT image_id FROM image_manifests WHERE driver = ? AND digest = ?';
    return this.#all(sql, digest).map(row => text(row.image_id));
  }

  /** Every document that an image needs: configurations and manifests. */
  documents(): Set<string> {
    const manifests = this.#store.statement('SELECT digest FROM image_manifests').all();
    const images = this.#store.statement('SELECT id FROM images').all();
    return new Set([...manifests.map(row => text(row.digest)), ...images.map(row => text(row.id))]);
  }

  putBlob(blob: BlobRow): void {
    this.#store
      .statement(
        `INSERT INTO layer_blobs (diff_id, digest, media_type, size_bytes, repository) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (diff_id, digest, repository) DO NOTHING`,
      )
      .run(blob.diffId, blob.digest, blob.mediaType, blob.sizeBytes, blob.repository);
  }

  /** The blobs that a layer is known to be, wherever. */
  blobsOf(diffId: string): BlobRow[] {
    const rows = this.#store.statement('SELECT * FROM layer_blobs WHERE diff_id = ?').all(diffId);
    return rows.map(row => ({
      diffId: text(row.diff_id),
      digest: text(row.digest),
      mediaType: text(row.media_type),
      sizeBytes: number(row.size_bytes),
      repository: text(row.repository),
    }));
  }

  /** The diff id that a blob unpacked to when it was pulled before. */
  diffIdOfBlob(digest: string): string | undefined {
    const row = this.#store.statement('SELECT diff_id FROM layer_blobs WHERE digest = ? LIMIT 1').get(digest);
    return row === undefined ? undefined : text(row.diff_id);
  }

  forgetUnusedBlobs(): void {
    this.#store
      .statement(
        'DELETE FROM layer_blobs WHERE NOT EXISTS (SELECT 1 FROM layers l WHERE l.diff_id = layer_blobs.diff_id)',
      )
      .run();
  }

  seed(archive: string): string | undefined {
    const row = this.#get('SELECT digest FROM image_seeds WHERE driver = ? AND archive = ?', archive);
    return row && text(row.digest);
  }

  putSeed(archive: string, digest: string): void {
    const sql = `INSERT INTO image_seeds (driver, archive, digest) VALUES (?, ?, ?)
      ON CONFLICT (driver, archive) DO UPDATE SET digest = excluded.digest`;
    this.#run(sql, archive, digest);
  }
}

function imageRow(row: Row): ImageRow {
  return {
    id: text(row.id),
    parentId: row.parent_id === null ? undefined : text(row.parent_id),
    sizeBytes: number(row.size_bytes),
    lastTaggedAtMs: number(row.last_tagged_at_ms),
    storedAtMs: number(row.stored_at_ms),
    lastUsedAtMs: number(row.last_used_at_ms),
  };
}

function nameRow(row: Row): NameRow {
  return {
    name: text(row.name),
    kind: row.kind === 'digest' ? 'digest' : 'tag',
    imageId: text(row.image_id),
    target: row.target === null ? undefined : text(row.target),
  };
}

function layerRow(row: Row): LayerRow {
  return {
    key: text(row.key),
    folder: text(row.folder),
    diffId: text(row.diff_id),
    sizeBytes: number(row.size_bytes),
    archiveBytes: number(row.archive_bytes),
    keptBlob: row.kept_blob === null ? undefined : text(row.kept_blob),
  };
}
