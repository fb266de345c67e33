import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupResources, CgroupWrite, ControlWrite } from '../resources.ts';

/** The processors and memory nodes asked for. */
export function cpusetWrites({ cpu }: CgroupResources): ControlWrite[] {
  const writes: ControlWrite[] = [];
  if (cpu?.cpus) writes.push({ file: 'cpuset.cpus', data: cpu.cpus });
  if (cpu?.mems) writes.push({ file: 'cpuset.mems', data: cpu.mems });
  return writes;
}

/**
 * Writes that fill the cpusets on the way from the hierarchy's top to `path`, whose last part is about to be made: a new
 * one is empty in version 1, and takes no process until it names processors and memory nodes. Those that have some are
 * left alone.
 * @see admin-guide/cgroup-v1/cpusets.rst
 */
export function cpusetInheritance(mountPoint: string, path: string): CgroupWrite[] {
  const levels = path.split('/').filter(level => level !== '');
  const writes: CgroupWrite[] = [];
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    // The nearest parent that is filled has what those below it lack.
    let depth = levels.length - 1;
    let inherited = '';
    for (; depth >= 0; depth--) {
      inherited = read(join(mountPoint, ...levels.slice(0, depth), file));
      if (inherited !== '') break;
    }
    if (inherited === '') continue;
    for (let empty = depth + 1; empty <= levels.length; empty++) {
      writes.push({ path: join(mountPoint, ...levels.slice(0, empty), file), data: inherited });
    }
  }
  return writes;
}

function read(path: string): string {
  // Asking first costs less than an exception for each parent that is not there yet.
  return existsSync(path) ? readFileSync(path, 'latin1').trim() : '';
}
