import { posix } from 'node:path';
import type { CgroupLayout } from '@gantry/linux';

export type { CgroupLayout };

/** The cgroup of a container, relative to each hierarchy: its parent is --cgroup-parent, the daemon's, or `/gantry`. */
export function containerCgroup(id: string, own: string, daemon: string): string {
  // Joined below the root, so that `..` cannot lead out.
  return posix.join('/', posix.normalize(`/${own || daemon || 'gantry'}`), id);
}
