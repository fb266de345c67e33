import type { ImageRoot, ImageStore, RootMount } from '@gantry/images';
import type { NetworkStack } from '@gantry/network';
import type { Adopted, Launcher } from '@gantry/runtime';
import type { StateStore } from '@gantry/store';
import type { VolumeStore } from '@gantry/volumes';
import type { EngineDefaults } from './defaults.ts';
import type { CgroupLayout } from './spec/cgroup.ts';

/** What `info` and `version` say about the daemon; none of it changes how containers run, except `liveRestore`. */
export type DaemonInfo = {
  /** Stays the same for a data root; shown as `ID`. */
  readonly id: string;
  /** Gantry's own version. */
  readonly version: string;
  readonly gitCommit: string;
  /** RFC 3339. */
  readonly buildTime: string;
  /** Newest and oldest Engine API versions answered. */
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly labels: readonly string[];
  readonly debug: boolean;
  readonly experimental: boolean;
  /** Containers outlive the daemon; false stops them when the engine closes. */
  readonly liveRestore: boolean;
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  /** Shown by `docker info`: `nftables` or `none`. */
  readonly firewall: string;
  /** Lines that `docker info` prints as warnings. */
  readonly warnings: readonly string[];
};

/** The rooms below the engine, and its settings. The engine closes none of the rooms: who opened them does. */
export type EngineOptions = {
  /** Containers' files live in `<dataRoot>/containers/<id>`, removed ones in `<dataRoot>/trash`. */
  readonly dataRoot: string;
  /** Sockets and exit statuses live in `<execRoot>/containers/<id>`. */
  readonly execRoot: string;
  readonly store: StateStore;
  readonly launcher: Launcher;
  readonly images: ImageStore;
  readonly networks: NetworkStack;
  readonly volumes: VolumeStore;
  /** When blobs of images are condensed: so long after the last transfer; 0 for never. Default: 10 minutes. */
  readonly condenseAfterMs?: number;
  readonly cgroup: CgroupLayout;
  readonly defaults: EngineDefaults;
  readonly daemon: DaemonInfo;
  /** Reads the run directory of a container after a restart; default: adoptShim of the runtime. */
  readonly adoptShim?: (id: string, runDir: string) => Promise<Adopted>;
  /** Mounts a root detached and returns its descriptor; default: mountRootBeside of linux. */
  readonly mountRoot?: (root: RootMount | ImageRoot) => number | Promise<number>;
  /** Told about what went wrong where no caller waits (cleanups, adoption). */
  readonly log?: (message: string, error?: unknown) => void;
};
