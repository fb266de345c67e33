import type { LayerPath } from '../unpack/entry-path.ts';

/** A file as one layer stores it. */
export type StoredFile = { readonly path: LayerPath; readonly layer: number; readonly sizeBytes: number };

/** Bytes of a lower layer that nobody sees any more. */
export type HiddenFile = StoredFile & { readonly by: number; readonly how: 'overwritten' | 'removed' };

type Node = { children?: Map<string, Node>; stored?: StoredFile };

/** What is visible of a stack of layers, as they are laid on each other; what vanishes is told to `hide`. */
export class LayerTree {
  readonly #top: Node = {};
  readonly #hide: (file: HiddenFile) => void;

  constructor(hide: (file: HiddenFile) => void) {
    this.#hide = hide;
  }

  /** A file, link or device; what was at its path vanishes, with all below it. */
  put(file: StoredFile): void {
    const node = this.#node(file.path, true);
    if (!node) return;
    this.#hideAll(node, file.layer, 'overwritten');
    node.children?.clear();
    node.stored = file;
  }

  /** A directory, which keeps what is in it. */
  directory(path: LayerPath, layer: number): void {
    const node = this.#node(path, true);
    if (!node?.stored) return;
    this.#hideOne(node, layer, 'overwritten');
  }

  remove(path: LayerPath, layer: number): void {
    const node = this.#node(path, false);
    if (!node) return;
    this.#hideAll(node, layer, 'removed');
    node.children?.clear();
  }

  /** Hides what the layers below `layer` have in a directory. */
  opaque(path: LayerPath, layer: number): void {
    const node = this.#node(path, false);
    for (const [name, child] of node?.children ?? []) {
      this.#hideAll(child, layer, 'removed');
      if (!child.stored && (child.children?.size ?? 0) === 0) node?.children?.delete(name);
    }
  }

  *visible(node: Node = this.#top): Generator<StoredFile> {
    if (node.stored) yield node.stored;
    for (const child of node.children?.values() ?? []) yield* this.visible(child);
  }

  #node(path: LayerPath, isMade: boolean): Node | undefined {
    let node = this.#top;
    for (const name of path === '' ? [] : path.split('/')) {
      let next = node.children?.get(name);
      if (!next) {
        if (!isMade) return undefined;
        next = {};
        node.children ??= new Map();
        node.children.set(name, next);
      }
      node = next;
    }
    return node;
  }

  #hideAll(node: Node, by: number, how: HiddenFile['how']): void {
    this.#hideOne(node, by, how);
    for (const [name, child] of node.children ?? []) {
      this.#hideAll(child, by, how);
      if (!child.stored && (child.children?.size ?? 0) === 0) node.children?.delete(name);
    }
  }

  #hideOne(node: Node, by: number, how: HiddenFile['how']): void {
    const { stored } = node;
    // What the same layer has put there is not hidden: a whiteout speaks of the layers below.
    if (!stored || (stored.layer === by && how === 'removed')) return;
    delete node.stored;
    if (stored.layer !== by && stored.sizeBytes > 0) this.#hide({ ...stored, by, how });
  }
}
