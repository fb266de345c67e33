import type { MountPoint } from '../documents/index.ts';

/** A mount that a container was created with, as the state store keeps it (plain JSON). */
export type ContainerMount = {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Host path: the bind's source or the volume's mountpoint; empty for tmpfs, the id of an image. */
  readonly source: string;
  readonly destination: string;
  /** The volume's name, or the image as it was named. */
  readonly name?: string;
  readonly driver?: string;
  /** The options as given (`ro,z`), shown as Mode. */
  readonly mode: string;
  readonly rw: boolean;
  readonly propagation: string;
  /** Fill the volume from the image when it is empty. */
  readonly copyUp: boolean;
  /** Made for this container without a name: removed with it by `rm -v` and `--rm`. */
  readonly anonymous: boolean;
  /** The bind's source is made when it is missing (-v), else its absence is an error (--mount). */
  readonly createSource: boolean;
  readonly bind?: BindDetails;
  /** A directory or file inside the volume or image instead of all of it. */
  readonly subpath?: string;
  readonly tmpfs?: { readonly options: readonly string[] };
};

export type BindDetails = {
  readonly nonRecursive: boolean;
  /** How far read-only reaches: all mounts below or failure, the top one, or as far as the kernel can. */
  readonly readOnly: 'recursive' | 'top' | 'best-effort';
  /** The source holds the engine's own data root, or lies in it: its propagation was chosen, and is given up where it cannot be. */
  readonly holdsDataRoot?: true;
};

/** The mount as `inspect` and `ps` show it. */
export function mountPoint(mount: ContainerMount): MountPoint {
  return {
    Type: mount.type,
    ...(mount.name === undefined ? {} : { Name: mount.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.driver === undefined ? {} : { Driver: mount.driver }),
    Mode: mount.mode,
    RW: mount.rw,
    Propagation: mount.propagation,
  };
}
