/**
 * The language of launch plans. A plan is a list of steps, each about one system call, that native code
 * (runtime/native/steps.c) executes in order; it stops at the first failure and reports the step's index and errno.
 * The same steps run in three places: in the shim (host side), in the container's child between clone and exec,
 * and in the launcher's helper (host plans: bridges, firewall, umounts).
 *
 * Files are named by a slot and a path. A slot is a small table of descriptors in the executing process; a relative
 * `path` with `at` is resolved below that slot's directory as if it were the root (openat2 RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS); without `at` the path is absolute in the executor's own mount namespace.
 */
export type Slot = number;

/** Number of descriptor slots an executor has. */
export const SLOTS = 128;

/** The slot that holds Gantry's own sealed binary: `exec` it with argv[0] `/sbin/docker-init` for `docker run --init`. */
export const INIT_SLOT: Slot = 127;

type At = { readonly at?: Slot; readonly path: string };
/** When set, an errno in this list counts as success. */
type Tolerant = { readonly ignore?: readonly number[] };

export type Step =
  // --- files ---
  | ({ readonly op: 'open'; readonly slot: Slot; readonly flags: number; readonly mode?: number } & At & Tolerant)
  | { readonly op: 'close'; readonly slot: Slot }
  /** mkdir -p; directories that exist are left as they are. */
  | ({ readonly op: 'mkdirAll'; readonly mode: number } & At)
  | ({ readonly op: 'mkdir'; readonly mode: number } & At & Tolerant)
  /** Makes an empty regular file (and its parents, 0755) unless something is there. */
  | ({ readonly op: 'touch'; readonly mode: number } & At)
  | ({ readonly op: 'symlink'; readonly target: string } & At & Tolerant)
  | ({
      readonly op: 'mknod';
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
      readonly uid?: number;
      readonly gid?: number;
    } & At &
      Tolerant)
  | ({ readonly op: 'chown'; readonly uid: number; readonly gid: number } & At)
  | ({ readonly op: 'chmod'; readonly mode: number } & At)
  | ({ readonly op: 'unlink' } & At & Tolerant)
  | ({ readonly op: 'rmdir' } & At & Tolerant)
  /**
   * One write(2) of `data` to an existing file (cgroup controls, sysctls, /proc entries). `fsMagic`: the file must lie on
   * a file system of this statfs type, else the step fails with EXDEV.
   */
  | ({ readonly op: 'writeFile'; readonly data: string; readonly fsMagic?: number } & At & Tolerant)
  /**
   * A new file with this content in the place of what was there: to truncate a file with content makes ext4 write it out
   * at once.
   */
  | ({ readonly op: 'createFile'; readonly data: string; readonly mode: number } & At)
  /**
   * Loads a program of type BPF_CGROUP_DEVICE (struct bpf_insn array) and attaches it to the version 2 cgroup whose
   * directory is at the path.
   */
  | ({ readonly op: 'deviceProgram'; readonly program: Uint8Array } & At)
  // --- mounts ---
  | ({
      readonly op: 'mount';
      readonly source?: string;
      readonly type?: string;
      readonly flags: number;
      readonly data?: string;
    } & At &
      Tolerant)
  /** fsopen, fsconfig, fsmount: a detached mount in `slot`. `attributes`: MOUNT_ATTR_*. */
  | {
      readonly op: 'fsMount';
      readonly slot: Slot;
      readonly type: string;
      readonly options: readonly (readonly [key: string, value?: string])[];
      readonly attributes: number;
    }
  /** open_tree with OPEN_TREE_CLONE: a detached copy of what is mounted there. */
  | ({ readonly op: 'openTree'; readonly slot: Slot; readonly recursive: boolean } & At)
  /** mount_setattr on a detached or attached mount in `slot`. `propagation`: MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE or 0. */
  | {
      readonly op: 'mountSetattr';
      readonly slot: Slot;
      readonly set: number;
      readonly clear: number;
      readonly propagation: number;
      readonly recursive: boolean;
    }
  /** Attaches the detached mount in `slot` at a path. */
  | ({ readonly op: 'moveMount'; readonly slot: Slot } & At)
  | ({ readonly op: 'umount'; readonly flags: number } & At & Tolerant)
  /** fchdir to the slot, pivot_root(".", "."), detach the old root, chdir("/"). */
  | { readonly op: 'pivotRoot'; readonly slot: Slot }
  // --- the process ---
  | { readonly op: 'unshare'; readonly flags: number }
  | { readonly op: 'setns'; readonly slot: Slot; readonly flags: number }
  | { readonly op: 'setsid' }
  /**
   * After `setns` to a pid namespace: this process ends, and a child that is born inside goes on, in a session of its own. It has
   * left what it had open but its streams and `slots`, so that those who live there cannot reach the host through it (CVE-2016-9962).
   */
  | { readonly op: 'beBorn'; readonly slots: readonly Slot[] }
  /** Opens a pty on the devpts in `at`, sends its controller to the shim, makes it the controlling terminal and stdio. */
  | {
      readonly op: 'console';
      readonly at?: Slot;
      readonly ptmx: string;
      readonly rows: number;
      readonly columns: number;
      readonly uid: number;
    }
  | { readonly op: 'hostname'; readonly name: string }
  | { readonly op: 'domainname'; readonly name: string }
  | {
      readonly op: 'rlimit';
      readonly resource: number;
      readonly soft: bigint;
      readonly hard: bigint;
      readonly clamp: boolean;
    }
  | { readonly op: 'umask'; readonly mask: number }
  | { readonly op: 'sessionKeyring'; readonly name: string }
  | { readonly op: 'personality'; readonly persona: number }
  /** Drops bounding capabilities not in the mask; before `user`. 64-bit mask. */
  | { readonly op: 'boundingSet'; readonly mask: bigint }
  /** setgroups, setresgid, setresuid; keeps permitted capabilities until `capabilities`. */
  | { readonly op: 'user'; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  | {
      readonly op: 'capabilities';
      readonly effective: bigint;
      readonly permitted: bigint;
      readonly inheritable: bigint;
      readonly ambient: bigint;
    }
  | { readonly op: 'noNewPrivileges' }
  /** `filter`: struct sock_filter array. `flags`: SECCOMP_FILTER_FLAG_*. */
  | { readonly op: 'seccomp'; readonly filter: Uint8Array; readonly flags: number }
  /** chdir after pivot, as the container's user; the directory reached must be inside the root (CVE-2024-21626). */
  | { readonly op: 'chdir'; readonly path: string }
  /**
   * Marks every descriptor above 2 close-on-exec and executes argv. Without a slash, argv[0] is looked up in PATH of
   * `env` by the rules of Go's exec.LookPath. With `slot`, fexecve of that descriptor (the init of --init).
   */
  | { readonly op: 'exec'; readonly argv: readonly string[]; readonly env: readonly string[]; readonly slot?: Slot }
  // --- coordination ---
  /** The child stops, reports, and waits for a token of its parent. */
  | { readonly op: 'barrier'; readonly id: number; readonly timeoutMs: number }
  /**
   * One netlink exchange: opens (and keeps) a socket of `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER) in the executor's
   * current network namespace, sends `message` (one or several nlmsghdr), reads until each message with NLM_F_ACK is
   * acknowledged (or a dump is done). `pidAt`: byte offset where the child's pid (u32) is written before sending.
   * `fdAt`: byte offset where the descriptor number of `fdSlot` (u32) is written. `reply`: the raw answer is returned
   * with the step's index (host plans only).
   */
  | ({
      readonly op: 'netlink';
      readonly protocol: number;
      readonly message: Uint8Array;
      readonly pidAt?: number;
      readonly fdAt?: number;
      readonly fdSlot?: Slot;
      readonly reply?: boolean;
    } & Tolerant)
  /**
   * Binds (and listens on, for TCP) a socket that the shim holds until it ends: on the host, or with `inside` in the
   * child's network namespace, from where a daemon takes it by `Shim.heldSocket`; only in `parent` and `Shim.hold`.
   */
  | {
      readonly op: 'hostSocket';
      readonly inside?: boolean;
      readonly protocol: 'tcp' | 'udp' | 'sctp';
      readonly address: string;
      readonly port: number;
      /** This many neighbouring ports, each with a socket of its own; default 1. Their relays count on likewise. */
      readonly count?: number;
      /** An IPv6 address that takes IPv4 too, as `::` for everything with one socket a port. */
      readonly bothFamilies?: boolean;
      /** What the shim does with connections that reach this socket by itself: relay them to the container, or nothing. */
      readonly relayTo?: { readonly address: string; readonly port: number };
    };

/** Where a step failed: `plan` names the list, `index` the step in it. */
export type StepFailure = { readonly index: number; readonly step: Step; readonly errno: number };

/** A barrier id that every launch plan may use. */
export const Barrier = { parentDone: 1 } as const;
