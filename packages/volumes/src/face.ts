export type VolumeRecord = {
  readonly name: string;
  readonly driver: 'local';
  readonly createdAtMs: number;
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Made without a name, removed with its container by `rm -v` and `--rm`. */
  readonly anonymous: boolean;
};

/**
 * The volumes of one daemon. Which containers know a volume is the engine's knowledge; who uses one right now is told to
 * the store: a volume that lives elsewhere (`type`, `device`) is mounted at its mountpoint while somebody uses it.
 */
export interface VolumeStore {
  list(): readonly VolumeRecord[];
  /** @throws notFound `get NAME: no such volume` */
  get(name: string): VolumeRecord;
  /** Returns the existing volume when one of that name has the same driver and options. A name of 64 hex digits is chosen when undefined. */
  create(options: {
    readonly name: string | undefined;
    readonly driver: string;
    readonly driverOptions: Readonly<Record<string, string>>;
    readonly labels: Readonly<Record<string, string>>;
  }): Promise<VolumeRecord>;
  /** @throws conflict when somebody uses it */
  remove(name: string): Promise<void>;
  /** Bytes of the files in each, measured beside the event loop; volumes that live elsewhere (with a device) are left out. */
  sizes(names: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /**
   * Notes that `user` (a container's id, or a job's) uses a volume, and mounts what has to be mounted.
   * @throws systemError `error while mounting volume ...` in dockerd's words
   */
  acquire(name: string, user: string): Promise<void>;
  /** Ends the use; the last one unmounts. Tolerates users and volumes that are not known. */
  release(name: string, user: string): Promise<void>;
  /** After a restart: `users` of each volume go on using it; what is mounted for nobody is unmounted. */
  adopt(users: ReadonlyMap<string, ReadonlySet<string>>): Promise<void>;
  /** Who uses a volume now. */
  usersOf(name: string): ReadonlySet<string>;
  /** Whether it may have to be filled: a root that is mounted for that is worth it. */
  waitsForFilling(name: string): Promise<boolean>;
  /**
   * Fills an empty volume with what the container's root has at `path` (owner, mode, times, links, attributes kept). A
   * filling that was cut short is done again.
   * `rootDescriptor`: the root mount; `path` is resolved inside it.
   */
  copyUp(name: string, rootDescriptor: number, path: string): Promise<void>;
  /**
   * Replaces the content of a volume that nobody uses: `fill` writes into an empty directory, which takes the place of the
   * old one when it has succeeded. A volume that lives elsewhere must be empty, and is filled in its place.
   * @throws conflict when it is used, or cannot be replaced
   */
  replace(name: string, fill: (directory: string) => Promise<void>): Promise<void>;
}
