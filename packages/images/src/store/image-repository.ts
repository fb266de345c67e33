import { invalidParameter, notFound } from '@gantry/errors';
import { CleanupStack } from '@gantry/jobs';
import {
  type AnyReference,
  bestPlatform,
  type Digest,
  digestOf,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  type Platform,
  parseAnyReference,
  parseImageConfig,
  parseReference,
  type Reference,
  withDefaultTag,
  withDigest,
} from '@gantry/oci';
import type { ImageConfigDocument, StoredImage } from '../face.ts';
import type { BlobStore } from './blobs.ts';
import type { BlobRow, ImageDatabase, ImageRow, ManifestRow, NameRow } from './database.ts';
import type { LayerStore, StagedLayer } from './layer-store.ts';

const CACHED_CONFIGS = 128;
const USE_RESOLUTION_MS = 60_000;

type Config = { readonly config: ImageConfigDocument; readonly configBytes: Buffer };

/** All that makes up an image which is about to be stored. */
export type NewImage = {
  readonly configBytes: Buffer;
  readonly staged: readonly StagedLayer[];
  readonly parentId?: string;
  readonly names: readonly Reference[];
  /** The index or manifest that the names stand for; images of one index live beside each other under one name. */
  readonly target?: string | undefined;
  readonly manifests?: readonly (ManifestRow & { readonly bytes: Uint8Array })[];
  readonly blobs?: readonly BlobRow[];
  /** Run in the same durable write. */
  readonly also?: () => void;
};

/** The images of one driver: their documents, names and layers, and the rules by which Docker finds and removes them. */
export class ImageRepository {
  readonly database: ImageDatabase;
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly #root: string;
  readonly #configs = new Map<string, Config>();
  readonly #usedAtMs = new Map<string, number>();

  constructor(root: string, database: ImageDatabase, blobs: BlobStore, layers: LayerStore) {
    this.#root = root;
    this.database = database;
    this.blobs = blobs;
    this.layers = layers;
  }

  list(): StoredImage[] {
    return this.database.images().map(row => this.#stored(row));
  }

  /** The image of an id that is known to exist. @throws notFound */
  byId(id: string): StoredImage {
    const row = this.database.image(id);
    if (!row) throw notFound(`No such image: ${id}`);
    return this.#stored(row);
  }

  /**
   * Finds an image as Docker does: a full id, then a name, then the beginning of an id. Of a name with several platforms
   * the one that fits `platform`, or this machine, best.
   * @throws notFound
   */
  get(text: string, platform?: Platform): StoredImage {
    const any = parseAnyReference(text);
    const row = this.#find(any, text);
    if (row && platform === undefined) return this.#stored(row);
    if (row && platform !== undefined) {
      const name = any.kind === 'name' ? this.nameRow(any.reference) : undefined;
      const candidates = name ? this.platformsOf(name) : [this.#stored(row)];
      const found = bestPlatform(platform, candidates, platformOf);
      if (found) return found;
      const has = [...new Set(candidates.map(image => formatPlatform(platformOf(image))))].join(', ');
      throw notFound(
        `image with reference ${text} was found but its platform (${has}) does not match the specified platform (${formatPlatform(platform)})`,
      );
    }
    throw notFound(
      `No such image: ${any.kind === 'id' ? any.digest : familiarReference(withDefaultTag(any.reference))}`,
    );
  }

  /** Tells whether {@link get} finds something. */
  has(text: string): boolean {
    return this.#find(parseAnyReference(text), text) !== undefined;
  }

  #find(any: AnyReference, text: string): ImageRow | undefined {
    const id = any.kind === 'id' ? any.digest : (this.#byName(any.reference) ?? this.#byPrefix(text));
    return id === undefined ? undefined : this.database.image(id);
  }

  /** The image that a name stands for, by digest when it has one. */
  #byName(reference: Reference): string | undefined {
    return this.nameRow(reference)?.imageId;
  }

  /** What is known of a name, which counts by digest when it has one. */
  nameRow(reference: Reference): NameRow | undefined {
    const { digest } = reference;
    const exact = digest === undefined ? withDefaultTag(reference) : withDigest(reference, digest);
    return this.database.name(formatReference(exact));
  }

  /** The images of every platform that a name has, the one for this machine first. */
  platformsOf({ name, imageId }: NameRow): StoredImage[] {
    const others = this.database.platformsOf(name).map(id => this.byId(id));
    const text = (image: StoredImage): string => formatPlatform(platformOf(image));
    return [this.byId(imageId), ...others.sort((a, b) => (text(a) < text(b) ? -1 : 1))];
  }

  /** Ids of the images of every platform that a name has. */
  platformIds(reference: Reference): string[] {
    const row = this.nameRow(reference);
    return row ? [row.imageId, ...this.database.platformsOf(row.name)] : [];
  }

  #byPrefix(text: string): string | undefined {
    const hex = text.startsWith('sha256:') ? text.slice('sha256:'.length) : text;
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    const found = this.database.imagesByPrefix(`sha256:${hex}`);
    return found.length === 1 ? found[0] : undefined;
  }

  #stored(row: ImageRow): StoredImage {
    const repoTags: string[] = [];
    const repoDigests: string[] = [];
    let target: string | undefined;
    for (const name of this.database.namesOf(row.id)) {
      (name.kind === 'tag' ? repoTags : repoDigests).push(familiarReference(parseReference(name.name)));
      if (name.kind === 'tag' || target === undefined) target = name.target ?? target;
    }
    const beside = this.database.namesBeside(row.id);
    return {
      id: row.id,
      ...this.#config(row.id),
      repoTags,
      repoDigests,
      target,
      besideNames: beside.map(({ name }) => familiarReference(parseReference(name))),
      sizeBytes: row.sizeBytes,
      lastTaggedAtMs: row.lastTaggedAtMs,
      storedAtMs: row.storedAtMs,
      lastUsedAtMs: row.lastUsedAtMs,
      parentId: row.parentId,
    };
  }

  #config(id: string): Config {
    let known = this.#configs.get(id);
    if (!known) {
      const configBytes = this.blobs.read(id);
      // Its shape was checked when it was stored.
      known = { config: parseImageConfig(configBytes) as ImageConfigDocument, configBytes };
      const [oldest] = this.#configs.keys();
      if (this.#configs.size >= CACHED_CONFIGS && oldest !== undefined) this.#configs.delete(oldest);
    }
    // Moved to the end: the first is the one not used for longest.
    this.#configs.delete(id);
    this.#configs.set(id, known);
    return known;
  }

  /**
   * Stores an image: documents and layers first, then, when they are durable, the rows that make it visible.
   * Layers that are not staged must exist, and be pinned by the caller.
   */
  async commit(image: NewImage): Promise<StoredImage> {
    const config = parseImageConfig(image.configBytes) as ImageConfigDocument;
    const id: Digest = digestOf(image.configBytes);
    const wanted = this.layers.wanted(config.rootfs.diff_ids);
    await using undo = new CleanupStack();
    await this.blobs.write(image.configBytes);
    for (const manifest of image.manifests ?? []) await this.blobs.write(manifest.bytes);
    using _ = this.layers.pin(wanted.map(layer => layer.key));
    const missing = image.staged.filter(
      (layer, i) => !this.database.layer(layer.key) && image.staged.findIndex(other => other.key === layer.key) === i,
    );
    const placed = await this.layers.place(missing, this.#root, undo);
    await this.database.write(() => {
      for (const layer of placed) this.database.putLayer(layer);
      let sizeBytes = 0;
      for (const { key, diffId } of wanted) {
        const layer = this.database.layer(key);
        if (!layer) throw invalidParameter(`the layer ${diffId} of the image is missing`);
        sizeBytes += layer.sizeBytes;
      }
      this.database.putImage({ id, parentId: image.parentId, sizeBytes }, Date.now());
      for (const [i, { chainId, key }] of wanted.entries()) this.database.putImageLayer(id, i, chainId, key);
      for (const manifest of image.manifests ?? []) this.database.putManifest(id, manifest);
      for (const blob of image.blobs ?? []) this.database.putBlob(blob);
      for (const name of image.names) this.#putName(id, name, image.target);
      image.also?.();
    });
    undo.commit();
    // Another transfer may have stored the same layer in between; its folder is the one that counts.
    for (const { key, folder } of placed) {
      if (this.database.layer(key)?.folder !== folder) {
        await this.layers.discardDirectory(this.layers.driver.layerPath(folder));
      }
    }
    return this.byId(id);
  }

  /** Notes what a registry has of an image since a push. Nothing when the image was removed meanwhile. */
  async notePushed(
    imageId: string,
    name: Reference | undefined,
    manifest: ManifestRow & { readonly bytes: Uint8Array },
    blobs: readonly BlobRow[],
  ): Promise<void> {
    await this.blobs.write(manifest.bytes);
    await this.database.write(() => {
      if (!this.database.image(imageId)) return;
      if (name) this.#putName(imageId, name, manifest.digest);
      this.database.putManifest(imageId, manifest);
      for (const blob of blobs) this.database.putBlob(blob);
    });
  }

  /**
   * Gives an image a name. When the name stands for the same index already, the image joins the ones of other platforms
   * under it; else what the name stood for loses it.
   */
  #putName(imageId: string, reference: Reference, target: string | undefined): void {
    const kind = reference.digest === undefined ? 'tag' : 'digest';
    const name = formatReference(reference);
    const before = this.database.name(name);
    const isSame = before !== undefined && target !== undefined && before.target === target;
    const ids = isSame ? [...new Set([before.imageId, ...this.database.platformsOf(name), imageId])] : [imageId];
    this.#setName(name, kind, ids, target);
    if (kind === 'tag') this.database.setTaggedAt(this.database.name(name)?.imageId ?? imageId, Date.now());
  }

  #setName(name: string, kind: NameRow['kind'], ids: readonly string[], target: string | undefined): void {
    const first = this.#preferred(ids);
    this.database.putName({ name, kind, imageId: first, target });
    this.database.setPlatforms(
      name,
      ids.filter(id => id !== first),
    );
  }

  /** Of images of several platforms, the one for this machine; when there is none, the first. */
  #preferred(ids: readonly string[]): string {
    const [first = ''] = ids;
    if (ids.length === 1) return first;
    return bestPlatform(hostPlatform(), ids, id => platformOf(this.#config(id))) ?? first;
  }

  /**
   * Gives what `source` stands for, with all its platforms, another name.
   * @param source a name, or an image's id
   */
  async tag(source: string, text: string): Promise<void> {
    const reference = parseReference(text);
    if (reference.digest !== undefined) throw invalidParameter('refusing to create a tag with a digest reference');
    const { id } = this.get(source);
    await this.database.write(() => {
      if (!this.database.image(id)) throw notFound(`No such image: ${source}`);
      const any = parseAnyReference(source);
      const named = any.kind === 'name' ? this.nameRow(any.reference) : undefined;
      const from = named ?? this.database.namesOf(id).find(({ target }) => target !== undefined);
      const ids = from ? [from.imageId, ...this.database.platformsOf(from.name)] : [id];
      this.#setName(formatReference(withDefaultTag(reference)), 'tag', ids, from?.target);
      this.database.setTaggedAt(id, Date.now());
    });
  }

  /**
   * Takes an image out of every name that has other platforms beside it, so that those stay under the name.
   * Names that have no other platform keep it.
   */
  async leavePlatforms(imageId: string): Promise<void> {
    await this.database.write(() => {
      for (const { name, kind, target, imageId: first } of [
        ...this.database.namesOf(imageId),
        ...this.database.namesBeside(imageId),
      ]) {
        const others = [first, ...this.database.platformsOf(name)].filter(id => id !== imageId);
        if (others.length > 0) this.#setName(name, kind, others, target);
      }
    });
  }

  /** Notes that an image was used just now: to the minute, and not worth a wait for the disk. */
  noteUsed(imageId: string): void {
    const nowMs = Date.now();
    if (nowMs - (this.#usedAtMs.get(imageId) ?? 0) < USE_RESOLUTION_MS) return;
    this.#usedAtMs.set(imageId, nowMs);
    void this.database.write(() => this.database.setUsedAt(imageId, nowMs), { durable: false }).catch(() => {});
  }

  /**
   * Removes one name; one that has tag and digest is looked up by digest. Returns the images of other platforms that
   * lost their last name with it.
   * @throws notFound `No such image: NAME`
   */
  async untag(text: string): Promise<string[]> {
    const parsed = parseReference(text);
    const reference = parsed.digest === undefined ? withDefaultTag(parsed) : withDigest(parsed, parsed.digest);
    const name = formatReference(reference);
    let left: string[] = [];
    await this.database.write(() => {
      if (!this.database.name(name)) throw notFound(`No such image: ${familiarReference(reference)}`);
      const beside = this.database.platformsOf(name);
      this.database.deleteName(name);
      left = beside.filter(id => !this.database.isHeld(id));
    });
    return left;
  }

  /**
   * Removes an image that has no names, and its parents that are left without names and children unless `noPrune`.
   * Returns what is gone: image ids, each followed by its chain ids that no image has any more, top first.
   */
  async delete(imageId: string, { noPrune }: { readonly noPrune: boolean }): Promise<string[]> {
    const gone: string[] = [];
    const documents: string[] = [];
    await this.database.write(() => {
      gone.length = 0;
      documents.length = 0;
      const row = this.database.image(imageId);
      if (!row) throw notFound(`No such image: ${imageId}`);
      for (const { name } of this.database.namesOf(imageId)) this.database.deleteName(name);
      for (let next: ImageRow | undefined = row; next; ) {
        const parent: string | undefined = next.parentId;
        documents.push(next.id, ...this.database.manifestsOf(next.id).map(manifest => manifest.digest));
        const layers = this.database.imageLayers(next.id);
        this.database.deleteImage(next.id);
        gone.push(next.id);
        for (const { chainId } of layers.reverse()) if (!this.database.chainIsUsed(chainId)) gone.push(chainId);
        if (noPrune || parent === undefined) break;
        const isHeld: boolean = this.database.isHeld(parent);
        next = isHeld ? undefined : this.database.image(parent);
      }
    });
    for (const id of gone) {
      this.#configs.delete(id);
      this.#usedAtMs.delete(id);
    }
    const kept = this.database.documents();
    for (const digest of documents) if (!kept.has(digest)) await this.blobs.delete(digest);
    await this.layers.sweep();
    return gone;
  }
}

/** The platform that an image was made for, as its configuration says. */
export function platformOf(image: StoredImage | Config): Platform {
  const { os, architecture, variant } = image.config;
  return { os: os || 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}
