import { readFileSync } from 'node:fs';
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
 * Writes that fill the cpusets on the way from the hierarchy's top to `path` (which need not exist): a new one is empty
 * in version 1, and takes no process until it names processors and memory nodes. Those that have some are left alone.
 * @see admin-guide/cgroup-v1/cpusets.rst
 */
export function cpusetInheritance(mountPoint: string, path: string): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    let directory = mountPoint;
    let inherited = read(join(directory, file)) ?? '';
    for (const level of path.split('/')) {
      if (level === '') continue;
      directory = join(directory, level);
      const own = read(join(directory, file));
      if (own) inherited = own;
      else if (inherited !== '') writes.push({ path: join(directory, file), data: inherited });
    }
  }
  return writes;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
