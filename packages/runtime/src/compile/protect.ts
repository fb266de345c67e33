import { type Stats, statSync } from 'node:fs';
import { flags, statInRoot } from '@gantry/linux';
import type { Slot, Step } from '../plan/steps.ts';
import type { SlotAllocator } from './slots.ts';

const { MOUNT_ATTR_RDONLY } = flags;

export type ProtectContext = {
  readonly root: Slot;
  readonly rootFd: number | undefined;
  readonly slots: SlotAllocator;
};

/** The masks of a container: where /dev/null goes and where an empty directory goes. */
export type Masks = { readonly files: readonly string[]; readonly directories: readonly string[] };

/**
 * Sorts masked paths by what is there; those that do not exist need no mask. /proc and /sys are the same kernel's inside
 * and outside, so that they are looked at here.
 */
export function sortMasks(paths: readonly string[], rootFd: number | undefined): Masks {
  const files: string[] = [];
  const directories: string[] = [];
  for (const path of paths) {
    const stats = lookAt(path, rootFd);
    if (stats) (stats.isDirectory() ? directories : files).push(path);
  }
  return { files, directories };
}

function lookAt(path: string, rootFd: number | undefined): Stats | undefined {
  if (/^\/(proc|sys)\//.test(path)) return statSync(path, { throwIfNoEntry: false });
  return rootFd === undefined ? undefined : statInRoot(rootFd, path);
}

/** Binds each path over itself and makes that read-only, flags of the mount below kept. */
export function readonlySteps(paths: readonly string[], { root, rootFd, slots }: ProtectContext): Step[] {
  const steps: Step[] = [];
  const slot = slots.take();
  for (const path of paths) {
    if (!lookAt(path, rootFd)) continue;
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
