import { type Stats, statSync } from 'node:fs';
import { flags, statInRoot } from '@gantry/linux';
import type { MountSpec } from '@gantry/oci';
import type { Slot, Step } from '../plan/steps.ts';
import { normalize } from './mounts.ts';
import type { SlotAllocator } from './slots.ts';

const { MOUNT_ATTR_RDONLY } = flags;

/** What is needed to tell what will be at a path once everything is mounted. */
export type View = { readonly rootFd: number | undefined; readonly mounts: readonly MountSpec[] };

export type ProtectContext = { readonly root: Slot; readonly slots: SlotAllocator; readonly view: View };

/** The masks of a container: where /dev/null goes and where an empty directory goes. */
export type Masks = { readonly files: readonly string[]; readonly directories: readonly string[] };

/** Sorts masked paths by what is there; those that do not exist need no mask. */
export function sortMasks(paths: readonly string[], view: View): Masks {
  const files: string[] = [];
  const directories: string[] = [];
  for (const path of paths) {
    const kind = kindAt(normalize(path), view);
    if (kind) (kind === 'directory' ? directories : files).push(path);
  }
  return { files, directories };
}

/**
 * What will be at a path. /proc and /sys are the same kernel's inside and outside, so that they are looked at here; other
 * paths are looked at in what is mounted over them, or in the root.
 */
function kindAt(path: string, { rootFd, mounts }: View): 'directory' | 'file' | undefined {
  if (/^\/(proc|sys)\//.test(path)) return kindOf(statSync(path, { throwIfNoEntry: false }));
  let over: MountSpec | undefined;
  for (const mount of mounts) {
    const target = normalize(mount.destination);
    const covers = path === target || path.startsWith(target === '/' ? target : `${target}/`);
    if (covers && target.length >= normalize(over?.destination ?? '/').length) over = mount;
  }
  if (!over) return rootFd === undefined ? undefined : kindOf(statInRoot(rootFd, path));
  const rest = path.slice(normalize(over.destination).length);
  if (rest === '') return over.sourceKind ?? (over.type === 'bind' ? kindOf(lookAt(over.source)) : 'directory');
  return over.type === 'bind' && over.source.startsWith('/') ? kindOf(lookAt(over.source + rest)) : undefined;
}

const lookAt = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

function kindOf(stats: Stats | undefined): 'directory' | 'file' | undefined {
  return stats && (stats.isDirectory() ? 'directory' : 'file');
}

/** Binds each path over itself and makes that read-only, flags of the mount below kept. */
export function readonlySteps(paths: readonly string[], { root, slots, view }: ProtectContext): Step[] {
  const steps: Step[] = [];
  const slot = slots.take();
  for (const path of paths) {
    if (!kindAt(normalize(path), view)) continue;
    steps.push(
      { op: 'openTree', slot, recursive: true, at: root, path },
      { op: 'moveMount', slot, at: root, path },
      { op: 'mountSetattr', slot, set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, recursive: false },
    );
  }
  if (steps.length > 0) steps.push({ op: 'close', slot });
  slots.release(slot);
  return steps;
}

/**
 * Takes one mount of /dev/null for each file to be masked, before anything else is mounted: later, /dev/null may be
 * somebody else's (CVE-2025-31133). `dev` is the container's own new /dev, or undefined for the host's.
 */
export function nullMountSteps(
  masks: Masks,
  dev: Slot | undefined,
  slots: SlotAllocator,
): { steps: Step[]; nulls: Slot[] } {
  const nulls = masks.files.map(() => slots.take());
  const steps = nulls.map(
    (slot): Step =>
      dev === undefined
        ? { op: 'openTree', slot, recursive: false, path: '/dev/null' }
        : { op: 'openTree', slot, recursive: false, at: dev, path: 'null' },
  );
  return { steps, nulls };
}

/** Puts the masks in place: `nulls` over files, one empty read-only tmpfs over all directories. */
export function maskSteps(masks: Masks, nulls: readonly Slot[], { root, slots }: ProtectContext): Step[] {
  const steps: Step[] = [];
  masks.files.forEach((path, index) => {
    const slot = nulls[index];
    if (slot === undefined) return;
    steps.push({ op: 'moveMount', slot, at: root, path }, { op: 'close', slot });
    slots.release(slot);
  });
  const [first, ...rest] = masks.directories;
  if (first === undefined) return steps;
  const slot = slots.take();
  steps.push(
    {
      op: 'fsMount',
      slot,
      type: 'tmpfs',
      options: [['source', 'tmpfs'], ['nr_blocks', '1'], ['nr_inodes', '1'], ['ro']],
      attributes: MOUNT_ATTR_RDONLY,
    },
    { op: 'moveMount', slot, at: root, path: first },
  );
  for (const path of rest) {
    steps.push(
      { op: 'openTree', slot, recursive: false, at: root, path: first },
      { op: 'moveMount', slot, at: root, path },
    );
  }
  steps.push({ op: 'close', slot });
  slots.release(slot);
  return steps;
}
