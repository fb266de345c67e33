/**
 * The OCI runtime configuration (config.json), as far as Linux containers use it.
 * @see OCI runtime-spec 1.2, config.md and config-linux.md
 */
export type RuntimeSpec = {
  ociVersion: string;
  hostname?: string;
  domainname?: string;
  root: { path: string; readonly?: boolean };
  process: ProcessSpec;
  mounts: MountSpec[];
  annotations?: Record<string, string>;
  linux: LinuxSpec;
};

export type ProcessSpec = {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  cwd: string;
  env: string[];
  args: string[];
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  capabilities?: {
    bounding: string[];
    effective: string[];
    permitted: string[];
    inheritable: string[];
    ambient: string[];
  };
  rlimits?: {
    type: string;
    soft: bigint;
    hard: bigint /** Docker's defaults are clamped to what the kernel allows. */;
    clamp?: boolean;
  }[];
  noNewPrivileges?: boolean;
  apparmorProfile?: string;
  oomScoreAdj?: number;
  /** Runs the program below Gantry's own small init (docker run --init). Not part of OCI. */
  init?: boolean;
};

export type MountSpec = {
  destination: string;
  type: string;
  /** A host path; or a path inside the mount of `sourceSlot`. */
  source: string;
  options: string[];
  /** Descriptor slot of an already opened source (a directory or file, O_PATH). Not part of OCI. */
  sourceSlot?: number;
  /** What the source is, when it cannot be looked at by its path. Not part of OCI. */
  sourceKind?: 'directory' | 'file';
  /** The slot holds a detached mount, which is attached itself and not a copy of it. Not part of OCI. */
  sourceIsMount?: boolean;
};

export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';

export type LinuxSpec = {
  /** A namespace without a path is new; with a path it is joined; one not listed is shared with the host. */
  namespaces: { type: NamespaceType; path?: string }[];
  devices?: {
    type: 'c' | 'b' | 'p';
    path: string;
    major: number;
    minor: number;
    fileMode?: number;
    uid?: number;
    gid?: number;
  }[];
  /** Cgroup of the container, as `/gantry/<id>`, relative to each hierarchy's mount. */
  cgroupsPath: string;
  resources?: LinuxResources;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  rootfsPropagation?: string;
  seccomp?: SeccompProfile;
  sysctl?: Record<string, string>;
};

export type LinuxResources = {
  devices?: { allow: boolean; type?: 'a' | 'b' | 'c'; major?: number; minor?: number; access?: string }[];
  memory?: { limit?: number; reservation?: number; swap?: number; swappiness?: number; disableOOMKiller?: boolean };
  cpu?: {
    shares?: number;
    quota?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
  };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: { major: number; minor: number; weight: number }[];
    throttleReadBpsDevice?: ThrottleDeviceSpec[];
    throttleWriteBpsDevice?: ThrottleDeviceSpec[];
    throttleReadIOPSDevice?: ThrottleDeviceSpec[];
    throttleWriteIOPSDevice?: ThrottleDeviceSpec[];
  };
};

export type ThrottleDeviceSpec = { major: number; minor: number; rate: number };

export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY';

export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

/** A resolved seccomp profile: no conditions on capabilities or kernel versions left. */
export type SeccompProfile = {
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  architectures: string[];
  flags?: string[];
  syscalls: {
    names: string[];
    action: SeccompAction;
    errnoRet?: number;
    args?: { index: number; value: bigint; valueTwo?: bigint; op: SeccompOperator }[];
  }[];
};
