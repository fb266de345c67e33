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

/** The volumes of one daemon. Who uses a volume is the engine's knowledge. */
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
  remove(name: string): Promise<void>;
  /** Bytes of the files in each, measured beside the event loop; volumes that live elsewhere (with options) are left out. */
  sizes(names: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /**
   * Fills an empty volume with what the container's root has at `path` (owner, mode, times, links, attributes kept).
   * `rootDescriptor`: the root mount; `path` is resolved inside it.
   */
  copyUp(name: string, rootDescriptor: number, path: string): Promise<void>;
}
