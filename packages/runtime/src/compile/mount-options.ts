import { flags } from '@gantry/linux';

const {
  MOUNT_ATTR_ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} = flags;

/** What the options of a mount mean. @see OCI runtime-spec, config.md, "Linux mount options" */
export type MountOptions = {
  readonly bind: boolean;
  /** The bind takes along what is mounted below its source. */
  readonly recursive: boolean;
  /** MOUNT_ATTR_* of this mount. */
  readonly set: number;
  readonly clear: number;
  /** The same for this mount and all below it (`rro`). */
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  /** MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, or 0 when not given. */
  readonly propagation: number;
  readonly recursivePropagation: boolean;
  /** What is left for the file system: `size=64k`, `newinstance`. */
  readonly data: readonly (readonly [key: string, value?: string])[];
};

const ATTRIBUTES: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [MOUNT_ATTR_RDONLY, 0],
  rw: [0, MOUNT_ATTR_RDONLY],
  nosuid: [MOUNT_ATTR_NOSUID, 0],
  suid: [0, MOUNT_ATTR_NOSUID],
  nodev: [MOUNT_ATTR_NODEV, 0],
  dev: [0, MOUNT_ATTR_NODEV],
  noexec: [MOUNT_ATTR_NOEXEC, 0],
  exec: [0, MOUNT_ATTR_NOEXEC],
  nodiratime: [MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, MOUNT_ATTR_NODIRATIME],
  nosymfollow: [MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, MOUNT_ATTR_NOSYMFOLLOW],
  // The kinds of access time exclude each other: the field is cleared as a whole before one is set.
  noatime: [MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME],
  atime: [0, MOUNT_ATTR_ATIME],
  relatime: [0, MOUNT_ATTR_ATIME],
  norelatime: [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME],
  strictatime: [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME],
  nostrictatime: [0, MOUNT_ATTR_ATIME],
};

const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
};

/** Words that Docker's clients send, and that mean nothing to the kernel here. */
const WITHOUT_EFFECT = new Set(['defaults', 'consistent', 'cached', 'delegated', 'nocopy', 'z', 'Z', 'silent', 'loud']);

/** Reads a list of mount options; of options that contradict each other the last one counts. */
export function parseMountOptions(type: string, options: readonly string[]): MountOptions {
  let bind = type === 'bind';
  let recursive = false;
  const here = { set: 0, clear: 0 };
  const below = { set: 0, clear: 0 };
  let propagation = 0;
  let recursivePropagation = false;
  const data: [string, string?][] = [];
  for (const option of options) {
    if (option === 'bind' || option === 'rbind') {
      bind = true;
      recursive = option === 'rbind';
      continue;
    }
    if (WITHOUT_EFFECT.has(option)) continue;
    const attribute = ATTRIBUTES[option];
    if (attribute) {
      apply(here, attribute);
      continue;
    }
    const withoutR = option.startsWith('r') ? option.slice(1) : undefined;
    const recursiveAttribute = withoutR === undefined ? undefined : ATTRIBUTES[withoutR];
    if (recursiveAttribute) {
      apply(below, recursiveAttribute);
      continue;
    }
    const kind = PROPAGATION[option] ?? (withoutR === undefined ? undefined : PROPAGATION[withoutR]);
    if (kind !== undefined) {
      propagation = kind;
      recursivePropagation = PROPAGATION[option] === undefined;
      continue;
    }
    const equals = option.indexOf('=');
    data.push(equals < 0 ? [option] : [option.slice(0, equals), option.slice(equals + 1)]);
  }
  return {
    bind,
    recursive,
    set: here.set,
    clear: here.clear,
    recursiveSet: below.set,
    recursiveClear: below.clear,
    propagation,
    recursivePropagation,
    data,
  };
}

function apply(change: { set: number; clear: number }, [set, clear]: readonly [number, number]): void {
  change.set = (change.set & ~clear) | set;
  // The field of access times is cleared as a whole, also when a part of it is set.
  change.clear = (change.clear & ~(set & ~MOUNT_ATTR_ATIME)) | clear;
}
