import { statSync } from 'node:fs';
import { invalidParameter } from '@gantry/errors';
import { type CgroupLayout, flags, statInRoot } from '@gantry/linux';
import type { MountSpec } from '@gantry/oci';
import type { Slot, Step } from '../plan/steps.ts';
import { cgroupMountSteps } from './cgroup-mount.ts';
import { type MountOptions, parseMountOptions } from './mount-options.ts';
import type { SlotAllocator } from './slots.ts';

const { MOUNT_ATTR_RDONLY, MS_PRIVATE } = flags;

export type MountContext = {
  /** Slot of the root mount: every target is found inside it. */
  readonly root: Slot;
  /** The same root as a descriptor of this process, to look at targets; undefined when there is none. */
  readonly rootFd: number | undefined;
  readonly slots: SlotAllocator;
  readonly cgroup: CgroupLayout;
  readonly cgroupsPath: string;
  readonly cgroupNamespace: boolean;
  /** Slots that are the source of several mounts. */
  readonly sharedSources: ReadonlySet<Slot>;
};

/** The steps of one mount, by who runs them and when. */
export type CompiledMount = {
  /** In the shim, which still sees the host: sources are taken here. */
  readonly prepare: readonly Step[];
  readonly child: readonly Step[];
  /** Once every mount is in its place: what becomes read-only only then, since others had to be mounted inside. */
  readonly late: readonly Step[];
  /** Slot in which the mount stays open, when `keep` asked for it. */
  readonly slot?: Slot;
};

/** Files below /proc that may be covered; lxcfs does so. Everything else there must stay the kernel's. */
const COVERABLE_PROC = new Set([
  '/proc/cpuinfo',
  '/proc/diskstats',
  '/proc/loadavg',
  '/proc/meminfo',
  '/proc/slabinfo',
  '/proc/stat',
  '/proc/swaps',
  '/proc/sys/crypto/fips_enabled',
  '/proc/sys/kernel/ns_last_pid',
  '/proc/uptime',
]);

/**
 * Compiles a mount.
 * @param keep leaves the mount's descriptor in its slot for later steps
 * @throws invalidParameter for a target in /proc that no container may cover
 */
export function compileMount(mount: MountSpec, context: MountContext, keep = false): CompiledMount {
  const options = parseMountOptions(mount.type, mount.options);
  const target = normalize(mount.destination);
  checkProc(mount, options, target);
  if (options.bind) return compileBind(mount, options, target, context, keep);
  checkOrdinaryDirectory(mount, target, context);
  if (mount.type === 'cgroup' || mount.type === 'cgroup2') {
    return { prepare: [], child: cgroupMountSteps(target, options, context), late: [] };
  }
  return compileFileSystem(mount, options, target, context, keep);
}

function compileFileSystem(
  mount: MountSpec,
  options: MountOptions,
  target: string,
  context: MountContext,
  keep: boolean,
): CompiledMount {
  const slot = context.slots.take();
  const readonly = (options.set & MOUNT_ATTR_RDONLY) !== 0;
  const fillsLater = readonly && (mount.type === 'tmpfs' || target === '/dev');
  const data: (readonly [string, string?])[] = [['source', mount.source || mount.type]];
  // A tmpfs looks like the directory that it covers.
  if (mount.type === 'tmpfs' && context.rootFd !== undefined && !options.data.some(([key]) => key === 'mode')) {
    const covered = statInRoot(context.rootFd, target);
    if (covered) data.push(['mode', (covered.mode & 0o7777).toString(8).padStart(4, '0')]);
  }
  data.push(...options.data);
  if (readonly && !fillsLater && mount.type !== 'mqueue') data.push(['ro']);
  const attributes = fillsLater ? options.set & ~MOUNT_ATTR_RDONLY : options.set;
  const child: Step[] = [
    { op: 'fsMount', slot, type: mount.type, options: data, attributes },
    { op: 'mkdirAll', at: context.root, path: target, mode: 0o755 },
    { op: 'moveMount', slot, at: context.root, path: target },
    ...propagationSteps(slot, options),
  ];
  const late: Step[] = fillsLater
    ? [{ op: 'mountSetattr', slot, set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, recursive: false }]
    : [];
  if (keep || fillsLater) return { prepare: [], child, late, slot };
  child.push({ op: 'close', slot });
  context.slots.release(slot);
  return { prepare: [], child, late };
}

function compileBind(
  mount: MountSpec,
  options: MountOptions,
  target: string,
  context: MountContext,
  keep: boolean,
): CompiledMount {
  const { root } = context;
  // A source that is used once gives its slot to the mount that is made of it: slots are few, binds may be many.
  const slot =
    mount.sourceSlot !== undefined && !context.sharedSources.has(mount.sourceSlot)
      ? mount.sourceSlot
      : context.slots.takeFresh();
  const source =
    mount.sourceSlot === undefined
      ? { path: mount.source }
      : { at: mount.sourceSlot, path: mount.source.startsWith('/') ? '' : mount.source };
  // Propagation that nobody asked for must not lead back to the host.
  const propagation = options.propagation || MS_PRIVATE;
  const recursivePropagation = options.propagation === 0 || options.recursivePropagation;
  const child: Step[] = [];
  const attributes = (set: number, clear: number, spread: number, recursive: boolean) => {
    if (set || clear || spread) child.push({ op: 'mountSetattr', slot, set, clear, propagation: spread, recursive });
  };
  child.push(
    isDirectory(mount)
      ? { op: 'mkdirAll', at: root, path: target, mode: 0o755 }
      : { op: 'touch', at: root, path: target, mode: 0o644 },
    { op: 'moveMount', slot, at: root, path: target },
  );
  // Before kernel 5.12 only what is attached can be changed.
  attributes(options.set, options.clear, 0, false);
  if (recursivePropagation) {
    attributes(options.recursiveSet, options.recursiveClear, propagation, true);
  } else {
    attributes(options.recursiveSet, options.recursiveClear, 0, true);
    attributes(0, 0, propagation, false);
  }
  const prepare: Step[] = mount.sourceIsMount
    ? []
    : [{ op: 'openTree', slot, recursive: options.recursive, ...source }];
  if (keep) return { prepare, child, late: [], slot };
  // The slot is not given back: every source is taken before the first one is attached.
  child.push({ op: 'close', slot });
  return { prepare, child, late: [] };
}

function propagationSteps(slot: Slot, { propagation, recursivePropagation }: MountOptions): Step[] {
  // A new file system is private already.
  if (propagation === 0 || propagation === MS_PRIVATE) return [];
  return [{ op: 'mountSetattr', slot, set: 0, clear: 0, propagation, recursive: recursivePropagation }];
}

function isDirectory(mount: MountSpec): boolean {
  if (mount.sourceKind !== undefined) return mount.sourceKind === 'directory';
  if (!mount.source.startsWith('/')) return true;
  const stats = statSync(mount.source, { throwIfNoEntry: false });
  if (!stats) throw invalidParameter(`bind source path does not exist: ${mount.source}`);
  return stats.isDirectory();
}

/** Refuses what would put something else than the kernel's own in the place of /proc or below it. */
function checkProc(mount: MountSpec, options: MountOptions, target: string): void {
  if (target === '/proc') {
    if (mount.type === 'proc') return;
    if (options.bind && normalize(mount.source) === '/proc') return;
    throw invalidParameter(`"/proc" cannot be mounted because it is not of type proc`);
  }
  if (target.startsWith('/proc/') && !COVERABLE_PROC.has(target)) {
    throw invalidParameter(`"${target}" cannot be mounted because it is inside /proc`);
  }
}

/** An image could lead /proc and /sys elsewhere by a link (CVE-2019-19921). */
function checkOrdinaryDirectory(mount: MountSpec, target: string, { rootFd }: MountContext): void {
  if ((mount.type !== 'proc' && mount.type !== 'sysfs') || rootFd === undefined) return;
  const found = statInRoot(rootFd, target, { followLast: false });
  if (found && !found.isDirectory()) {
    throw invalidParameter(`filesystem "${mount.type}" must be mounted on ordinary directory`);
  }
}

/** An absolute path without `.`, `..`, doubled or final slashes. */
export function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The slots that more than one of these mounts is made from. */
export function sharedSources(mounts: readonly MountSpec[]): Set<Slot> {
  const seen = new Set<Slot>();
  const shared = new Set<Slot>();
  for (const { sourceSlot } of mounts) {
    if (sourceSlot === undefined) continue;
    if (seen.has(sourceSlot)) shared.add(sourceSlot);
    seen.add(sourceSlot);
  }
  return shared;
}
