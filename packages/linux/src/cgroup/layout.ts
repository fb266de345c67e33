import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type MountInfo, readMountInfo } from '../mountinfo.ts';

/** One mounted hierarchy of version 1: `cpu,cpuacct` at /sys/fs/cgroup/cpu,cpuacct. */
export type CgroupHierarchy = {
  readonly mountPoint: string;
  /** Last part of the mount point: the name that containers see. */
  readonly name: string;
  /** `cpu`, `cpuacct`, ...; `name=systemd` for one without a controller. */
  readonly controllers: readonly string[];
};

/** How the cgroups of this machine are laid out. */
export type CgroupLayout =
  | { readonly version: 1; readonly hierarchies: readonly CgroupHierarchy[]; readonly bfq: boolean }
  | {
      readonly version: 2;
      readonly mountPoint: string;
      readonly controllers: ReadonlySet<string>;
      readonly bfq: boolean;
    };

/** Options of a version 1 mount that are neither a controller nor a name. */
const OTHER_OPTIONS = new Set(['rw', 'ro', 'noprefix', 'clone_children', 'xattr', 'cpuset_v2_mode', 'favordynmods']);

/**
 * Finds the layout. A version 2 tree beside version 1 hierarchies (hybrid) has no controllers and is left alone.
 * @throws Error when no cgroups are mounted
 */
export function detectCgroupLayout(mounts: readonly MountInfo[] = readMountInfo()): CgroupLayout {
  const hierarchies: CgroupHierarchy[] = [];
  let unified: string | undefined;
  for (const mount of mounts) {
    if (mount.type === 'cgroup2') unified ??= mount.mountPoint;
    if (mount.type !== 'cgroup') continue;
    const controllers = mount.superOptions.filter(
      option => !OTHER_OPTIONS.has(option) && !option.startsWith('release_agent='),
    );
    // The same hierarchy may be mounted twice; the first one counts.
    if (hierarchies.some(known => known.controllers.join() === controllers.join())) continue;
    hierarchies.push({ mountPoint: mount.mountPoint, name: basename(mount.mountPoint), controllers });
  }
  if (hierarchies.length > 0) {
    const blkio = hierarchies.find(hierarchy => hierarchy.controllers.includes('blkio'));
    return {
      version: 1,
      hierarchies,
      bfq: blkio !== undefined && existsSync(join(blkio.mountPoint, 'blkio.bfq.weight')),
    };
  }
  if (unified === undefined) throw new Error('no cgroup file system is mounted');
  const controllers = readFileSync(join(unified, 'cgroup.controllers'), 'latin1').trim().split(' ');
  return {
    version: 2,
    mountPoint: unified,
    controllers: new Set(controllers.filter(controller => controller !== '')),
    // The top cgroup has no weight file; BFQ shows in those below.
    bfq: existsSync('/sys/module/bfq') && !existsSync('/sys/fs/cgroup/io.cost.qos'),
  };
}

/** The directories that a cgroup has: one a hierarchy, or the one of version 2. */
export function cgroupDirectories(layout: CgroupLayout, path: string): string[] {
  return layout.version === 2
    ? [join(layout.mountPoint, path)]
    : layout.hierarchies.map(hierarchy => join(hierarchy.mountPoint, path));
}

/** The directory in which a controller is found; undefined when the machine has not got it. */
export function controllerDirectory(layout: CgroupLayout, controller: string, path: string): string | undefined {
  if (layout.version === 2) return join(layout.mountPoint, path);
  const hierarchy = layout.hierarchies.find(({ controllers }) => controllers.includes(controller));
  return hierarchy && join(hierarchy.mountPoint, path);
}

/**
 * The directory that a new process of a running version 2 cgroup is born in: the cgroup itself, or, when its first
 * process has made cgroups below it (systemd does), that process's own, since processes live in the leaves only.
 * @param pid the cgroup's first process
 * @see admin-guide/cgroup-v2.rst, "No Internal Process Constraint"
 */
export function joinableDirectory(
  layout: Extract<CgroupLayout, { version: 2 }>,
  path: string,
  pid: number | undefined,
): string {
  const directory = join(layout.mountPoint, path);
  if (pid === undefined || read(join(directory, 'cgroup.subtree_control')).trim() === '') return directory;
  const own = /^0::(\/.*)$/m.exec(read(`/proc/${pid}/cgroup`))?.[1];
  return own?.startsWith(`${path}/`) ? join(layout.mountPoint, own) : directory;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
