import type { Ulimit } from './documents/index.ts';

/** What the kernel and its cgroup tree can do; found once at start, shown by `info`, asked by the checks of create. */
export type KernelFeatures = {
  readonly cgroupVersion: 1 | 2;
  readonly cgroupNamespaces: boolean;
  readonly memoryLimit: boolean;
  readonly memoryReservation: boolean;
  readonly swapLimit: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  readonly cpuCfs: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly pidsLimit: boolean;
  readonly blkioWeight: boolean;
  readonly blkioThrottle: boolean;
  readonly seccomp: boolean;
  /** Containers are confined by AppArmor: the kernel has it and the default profile could be loaded. */
  readonly apparmor: boolean;
  readonly ipv4Forwarding: boolean;
  /** Number of processors that the daemon may use. */
  readonly cpus: number;
  /** As `cpuset.cpus` of the root: `0-1`. */
  readonly availableCpus: string;
  readonly availableMems: string;
};

/** The daemon's own settings that shape containers: from flags, daemon.json and the machine. */
export type EngineDefaults = {
  readonly hostname: string;
  readonly ulimits: readonly Ulimit[];
  readonly shmSizeBytes: number;
  readonly init: boolean;
  /** `--init-path`: an existing program instead of Gantry's own init. */
  readonly initPath: string | undefined;
  /** Empty for `/gantry`. */
  readonly cgroupParent: string;
  readonly ipcMode: 'private' | 'shareable';
  readonly cgroupnsMode: 'host' | 'private';
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** What `host-gateway` means in --add-host: the default bridge's gateway unless set. */
  readonly hostGatewayIps: readonly string[];
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly runtimes: readonly string[];
  readonly defaultRuntime: string;
  /** `builtin`, `unconfined`, or the JSON text of a profile in Docker's format. */
  readonly seccompProfile: string;
  readonly noNewPrivileges: boolean;
  readonly kernel: KernelFeatures;
};
