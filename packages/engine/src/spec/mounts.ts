import { systemError } from '@gantry/errors';
import { hasMountSetattr } from '@gantry/linux';
import type { MountSpec } from '@gantry/oci';
import type { HostConfig } from '../documents/index.ts';
import type { EtcFiles } from './etc-files.ts';
import type { ContainerMount } from './mount-model.ts';
import { requiredRootPropagation } from './propagation.ts';
import type { LaunchSlots, MountImage } from './slots.ts';
import { mergeTmpfsOptions } from './tmpfs-options.ts';

export type SpecMounts = { mounts: MountSpec[]; rootfsPropagation: 'shared' | 'rslave' | undefined };

/** What every container has mounted, in this order. */
function defaultMounts(): MountSpec[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['ro', 'nosuid', 'noexec', 'nodev'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777'] },
  ];
}

const depth = (path: string): number => path.split('/').length;

/** Adds what a container mounts to its slots, and lists all its mounts in the order in which they are made. */
export async function containerMounts(request: {
  readonly hostConfig: HostConfig;
  readonly mounts: readonly ContainerMount[];
  readonly etc: EtcFiles;
  /** Host path that becomes /dev/shm, when the IPC namespace is shared. */
  readonly shmPath: string | undefined;
  readonly writableCgroups: boolean | undefined;
  readonly slots: LaunchSlots;
  /** A detached mount of an image's files, by the id of the image. */
  readonly mountImage: MountImage;
}): Promise<SpecMounts> {
  const { hostConfig, slots } = request;
  const user: MountSpec[] = [];
  let rootfsPropagation: SpecMounts['rootfsPropagation'];
  const taken = new Set(request.mounts.map(mount => mount.destination));

  if (request.shmPath !== undefined && !taken.has('/dev/shm') && !('/dev/shm' in (hostConfig.Tmpfs ?? {}))) {
    // Opened by path in the child, since the plan mounts it just before.
    user.push({
      destination: '/dev/shm',
      type: 'bind',
      source: request.shmPath,
      sourceKind: 'directory',
      options: ['rbind', 'rprivate'],
    });
  }
  for (const [destination, data] of Object.entries(hostConfig.Tmpfs ?? {})) {
    const options = mergeTmpfsOptions(data === '' ? [] : data.split(','));
    user.push({ destination, type: 'tmpfs', source: 'tmpfs', options });
  }
  for (const mount of request.mounts) {
    if (mount.type === 'tmpfs') {
      const options = mergeTmpfsOptions(mount.tmpfs?.options ?? []);
      user.push({ destination: mount.destination, type: 'tmpfs', source: 'tmpfs', options });
      continue;
    }
    if (mount.destination in (hostConfig.Tmpfs ?? {})) continue;
    if (mount.type === 'image') {
      const sourceSlot = await slots.openImage(mount, request.mountImage);
      user.push({
        destination: mount.destination,
        type: 'bind',
        source: mount.source,
        sourceSlot,
        sourceKind: slots.kind(sourceSlot),
        sourceIsMount: true,
        options: ['rbind', 'ro', mount.propagation],
      });
      continue;
    }
    const sourceSlot = await slots.openSource(mount);
    const { propagation, root } = possiblePropagation(mount);
    if (root && rootfsPropagation !== 'shared') rootfsPropagation = root;
    user.push({
      destination: mount.destination,
      type: 'bind',
      source: mount.source,
      sourceSlot,
      sourceKind: slots.kind(sourceSlot),
      options: bindOptions(mount, propagation),
    });
  }
  for (const [destination, source] of [
    ['/etc/resolv.conf', request.etc.resolvConf],
    ['/etc/hostname', request.etc.hostname],
    ['/etc/hosts', request.etc.hosts],
  ] as const) {
    if (source === '' || taken.has(destination)) continue;
    const options = ['rbind', ...(hostConfig.ReadonlyRootfs ? ['ro'] : []), 'rprivate'];
    // Opened by path in the shim, since the plan writes it just before.
    user.push({ destination, type: 'bind', source, sourceKind: 'file', options });
  }
  // A mount inside another one comes after it.
  user.sort((a, b) => depth(a.destination) - depth(b.destination));

  const own = ownMounts(hostConfig, new Set(user.map(mount => mount.destination)), request.writableCgroups);
  return { mounts: [...own, ...user], rootfsPropagation };
}

function ownMounts(host: HostConfig, taken: ReadonlySet<string>, writableCgroups: boolean | undefined): MountSpec[] {
  const mounts: MountSpec[] = [];
  for (const mount of defaultMounts()) {
    const { destination } = mount;
    if (taken.has(destination) || (taken.has('/dev') && destination.startsWith('/dev/'))) continue;
    if (destination === '/dev/shm') {
      if (host.IpcMode === 'none') continue;
      mount.options.push(`size=${host.ShmSize}`);
    }
    const writable =
      (destination === '/sys' && host.Privileged) || (mount.type === 'cgroup' && (writableCgroups ?? host.Privileged));
    if (writable) mount.options = mount.options.filter(option => option !== 'ro');
    mounts.push(mount);
  }
  return mounts;
}

/** How a mount propagates, and what that asks of the root. A propagation that nobody asked for is given up where it cannot be. */
function possiblePropagation({ source, propagation, bind }: ContainerMount): {
  readonly propagation: string;
  readonly root: SpecMounts['rootfsPropagation'];
} {
  try {
    return { propagation, root: requiredRootPropagation(source, propagation) };
  } catch (error) {
    if (bind?.holdsDataRoot) return { propagation: 'rprivate', root: undefined };
    throw error;
  }
}

function bindOptions(mount: ContainerMount, propagation: string): string[] {
  const options = [mount.bind?.nonRecursive ? 'bind' : 'rbind'];
  if (!mount.rw) {
    const wish = mount.bind?.readOnly ?? 'best-effort';
    const able = hasMountSetattr();
    if (wish === 'recursive' && !able) {
      throw systemError('recursively read-only mounts need mount_setattr(2), which this kernel does not have');
    }
    options.push(wish !== 'top' && able ? 'rro' : 'ro');
  }
  if (propagation !== '') options.push(propagation);
  return options;
}
