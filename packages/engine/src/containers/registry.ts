import { randomBytes } from 'node:crypto';
import { conflict, invalidParameter, notFound } from '@gantry/errors';
import { generateName } from '../names.ts';
import type { Container } from './container.ts';
import { IdIndex } from './id-index.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The containers of this engine, found by id, by name, by image and by volume without a look at the others. */
export class ContainerRegistry {
  readonly #byId = new Map<string, Container>();
  /** Names in use or reserved by a create under way, to container ids. */
  readonly #names = new Map<string, string>();
  readonly #ids = new IdIndex();
  readonly #byImage = new Map<string, Set<Container>>();
  readonly #byVolume = new Map<string, Set<Container>>();
  /** Volumes of containers that are being made, to their ids. */
  readonly #claims = new Map<string, Set<string>>();

  /** Containers by those that they link to. */
  readonly #linking = new Map<string, Set<Container>>();
  /** What a container was entered there with. */
  readonly #linked = new Map<string, readonly string[]>();

  get size(): number {
    return this.#byId.size;
  }

  all(): IterableIterator<Container> {
    return this.#byId.values();
  }

  get(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** Those that were made of an image, or mount it. */
  ofImage(imageId: string): ReadonlySet<Container> {
    return this.#byImage.get(imageId) ?? new Set();
  }

  ofVolume(name: string): ReadonlySet<Container> {
    return this.#byVolume.get(name) ?? new Set();
  }

  /** Lets a container that is being made keep a volume, until it is there or was given up. */
  claimVolume(name: string, id: string): Disposable {
    const claims = this.#claims.get(name) ?? new Set();
    this.#claims.set(name, claims.add(id));
    return {
      [Symbol.dispose]: () => {
        claims.delete(id);
        if (claims.size === 0) this.#claims.delete(name);
      },
    };
  }

  /** Ids of the containers that have a volume, or are being made with it. */
  usersOfVolume(name: string): string[] {
    return [...[...this.ofVolume(name)].map(({ id }) => id), ...(this.#claims.get(name) ?? [])];
  }

  byName(name: string): Container | undefined {
    return this.#byId.get(this.#names.get(name) ?? '');
  }

  /** The containers that have a link to this one. */
  linking(id: string): ReadonlySet<Container> {
    return this.#linking.get(id) ?? new Set();
  }

  /** Takes in that the links of a container have changed. */
  relink(container: Container): void {
    for (const id of this.#linked.get(container.id) ?? []) unlink(this.#linking, id, container);
    const ids = (container.document.links ?? []).map(({ id }) => id);
    if (ids.length === 0) this.#linked.delete(container.id);
    else this.#linked.set(container.id, ids);
    for (const id of ids) link(this.#linking, id, container);
  }

  /** The container that a name like `PARENT/ALIAS` leads to. */
  #byLink(ref: string): Container | undefined {
    const [, parent, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(ref) ?? [];
    if (parent === undefined) return undefined;
    const found = this.byName(parent)?.document.links?.find(one => one.alias === alias);
    return found && this.#byId.get(found.id);
  }

  /**
   * The container of that full id, full name, or unambiguous id prefix.
   * @throws notFound `No such container: X`, invalidParameter for a prefix of several
   */
  find(ref: string): Container {
    if (ref === '') throw invalidParameter('invalid name or ID supplied: ""');
    const exact = this.#byId.get(ref) ?? this.byName(ref.replace(/^\//, '')) ?? this.#byLink(ref);
    if (exact) return exact;
    const [id, other] = this.#ids.firstTwo(ref);
    if (other !== undefined) throw invalidParameter(`multiple IDs found with provided prefix: ${ref}`);
    const container = id === undefined ? undefined : this.#byId.get(id);
    if (!container) throw notFound(`No such container: ${ref}`);
    return container;
  }

  /** A new id: 64 hex digits whose first twelve are not a number, as Docker wants them in host names. */
  newId(): string {
    for (;;) {
      const id = randomBytes(32).toString('hex');
      if (!/^\d{12}/.test(id) && !this.#byId.has(id)) return id;
    }
  }

  /** Reserves `wanted`, or a generated name, for a container. @throws invalidParameter, conflict */
  reserveName(id: string, wanted: string | undefined): string {
    if (wanted === undefined || wanted === '') {
      for (let attempt = 0; attempt < 6; attempt++) {
        const name = generateName(attempt);
        if (this.#names.has(name)) continue;
        this.#names.set(name, id);
        return name;
      }
      this.#names.set(id.slice(0, 12), id);
      return id.slice(0, 12);
    }
    const name = wanted.replace(/^\//, '');
    if (!NAME.test(name)) {
      throw invalidParameter(`Invalid container name (${wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    }
    const owner = this.#names.get(name);
    if (owner !== undefined && owner !== id) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    this.#names.set(name, id);
    return name;
  }

  releaseName(name: string): void {
    this.#names.delete(name);
  }

  add(container: Container): void {
    this.#byId.set(container.id, container);
    this.#names.set(container.name, container.id);
    this.#ids.add(container.id);
    this.relink(container);
    link(this.#byImage, container.document.imageId, container);
    for (const mount of container.document.mounts) {
      if (mount.type === 'volume' && mount.name !== undefined) link(this.#byVolume, mount.name, container);
      if (mount.type === 'image') link(this.#byImage, mount.source, container);
    }
  }

  remove(container: Container): void {
    this.#byId.delete(container.id);
    if (this.#names.get(container.name) === container.id) this.#names.delete(container.name);
    this.#ids.delete(container.id);
    for (const id of this.#linked.get(container.id) ?? []) unlink(this.#linking, id, container);
    this.#linked.delete(container.id);
    unlink(this.#byImage, container.document.imageId, container);
    for (const { type, name, source } of container.document.mounts) {
      if (type === 'volume' && name !== undefined) unlink(this.#byVolume, name, container);
      if (type === 'image') unlink(this.#byImage, source, container);
    }
  }
}

function link(index: Map<string, Set<Container>>, key: string, container: Container): void {
  const known = index.get(key);
  if (known) known.add(container);
  else index.set(key, new Set([container]));
}

function unlink(index: Map<string, Set<Container>>, key: string, container: Container): void {
  const known = index.get(key);
  known?.delete(container);
  if (known?.size === 0) index.delete(key);
}
