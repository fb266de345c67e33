import type { ImageRoot, RootMount } from '../face.ts';
import type { LayerForm } from '../unpack/unpacker.ts';

export type ContainerLayerOptions = {
  readonly volatile: boolean;
  /** Bytes that the layer may have; 0 or undefined for no bound. A driver without layers counts the whole copy. */
  readonly limitBytes?: number | undefined;
};

/**
 * Where layers and the writable layers of containers lie on disk. A layer's directory has a short name, and holds `diff`
 * (its tree, with the ids that processes in a container see), `record` and perhaps `kept`. A writable layer is one
 * directory a container, so that a project quota can be set on it and everything below belongs to the quota.
 * Implementations: drivers/; all pass driver.contract.ts.
 */
export interface StorageDriver {
  readonly name: string;
  readonly form: LayerForm;
  /** Rows of `info`. */
  readonly status: readonly (readonly [string, string])[];
  /** Directory of a layer. */
  layerPath(layer: string): string;
  /** Directories of layers that exist. */
  layers(): Promise<string[]>;
  /** A new, empty directory on the same file system for a layer that is not complete yet. */
  incoming(): Promise<string>;
  /** Prepares an incoming directory for a layer above the one in the directory `below`. */
  prepare(incoming: string, below: string | undefined): Promise<void>;
  /** Makes an incoming directory the layer `layer`. Not durable until the file system is synced. */
  accept(incoming: string, layer: string): Promise<void>;
  /**
   * Makes the writable layer of a container; `lower` is bottom first. Not fsynced.
   * @throws system when a limit is asked for and the file system has no project quota
   */
  createContainer(id: string, lower: readonly string[], options: ContainerLayerOptions): Promise<void>;
  /** @throws notFound when there is none */
  containerRoot(id: string): RootMount;
  /** What layers show together, to read only; `layers` is bottom first. */
  layersRoot(layers: readonly string[]): ImageRoot;
  /** The layers below a container, bottom first. */
  containerLower(id: string): readonly string[];
  containers(): string[];
  /** The tree that holds what the container has changed (or all of its files, for a driver without layers). */
  containerTree(id: string): string;
  containerData(id: string): Record<string, string>;
  layersData(lower: readonly string[]): Record<string, string>;
  /** Takes a container's writable layer out of sight at once; returns what is to be removed later. */
  discardContainer(id: string): Promise<string>;
  /** Takes any path below the driver's root out of sight; returns what is to be removed later. */
  discard(path: string): Promise<string>;
  /** What an earlier process left in the trash or unfinished; all of it can be removed. */
  leftovers(): Promise<string[]>;
}
