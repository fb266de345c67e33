import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CgroupLayout, cgroupDirectories } from './layout.ts';
import type { CgroupResources, CgroupWrite, ControlWrite } from './resources.ts';
import { blkioWrites } from './v1/blkio.ts';
import { cpuWrites as cpuWritesV1 } from './v1/cpu.ts';
import { cpusetInheritance, cpusetWrites } from './v1/cpuset.ts';
import { devicesWrites } from './v1/devices.ts';
import { memoryWrites as memoryWritesV1 } from './v1/memory.ts';
import { pidsWrites } from './v1/pids.ts';
import { cpuWrites as cpuWritesV2 } from './v2/cpu.ts';
import { deviceProgram } from './v2/device-program.ts';
import { ioWrites } from './v2/io.ts';
import { memoryWrites as memoryWritesV2 } from './v2/memory.ts';

/** A cgroup to be made, as data: what to make, then what to write, then how to enter. */
export type CgroupPlan = {
  /** Made with their parents. */
  readonly directories: readonly string[];
  readonly writes: readonly CgroupWrite[];
  /** Version 1: a process that writes `0` to each of these enters. Empty in version 2, where CLONE_INTO_CGROUP is used. */
  readonly tasks: readonly string[];
  /** Version 2: instructions (struct bpf_insn) that decide on devices, to be attached to the directory. */
  readonly deviceProgram?: Uint8Array;
};

/**
 * Compiles a new cgroup. What parents need first (controllers switched on, cpusets filled) is read from the file
 * system and part of the writes.
 * @param path relative to each hierarchy's mount, as `/gantry/ID`
 */
export function planCgroup(layout: CgroupLayout, path: string, resources: CgroupResources): CgroupPlan {
  const directories = cgroupDirectories(layout, path);
  if (layout.version === 2) {
    return {
      directories,
      writes: [...switchOn(layout, path), ...limits(layout, path, resources)],
      tasks: [],
      ...(resources.devices ? { deviceProgram: deviceProgram(resources.devices) } : {}),
    };
  }
  const cpuset = layout.hierarchies.find(({ controllers }) => controllers.includes('cpuset'));
  return {
    directories,
    writes: [...(cpuset ? cpusetInheritance(cpuset.mountPoint, path) : []), ...limits(layout, path, resources)],
    tasks: directories.map(directory => join(directory, 'tasks')),
  };
}

/** The writes that bring limits to a cgroup which exists. */
export function limits(layout: CgroupLayout, path: string, resources: CgroupResources): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const add = (directory: string, list: readonly ControlWrite[]) => {
    for (const { file, data, optional = false } of list) {
      writes.push({ path: join(directory, file), data, ...(optional ? { optional } : {}) });
    }
  };
  if (layout.version === 2) {
    const directory = join(layout.mountPoint, path);
    add(directory, cpusetWrites(resources));
    add(directory, cpuWritesV2(resources));
    add(directory, memoryWritesV2(resources));
    add(directory, pidsWrites(resources));
    add(directory, ioWrites(resources, layout));
    return writes;
  }
  for (const { mountPoint, controllers } of layout.hierarchies) {
    const directory = join(mountPoint, path);
    for (const controller of controllers) {
      switch (controller) {
        case 'cpuset':
          add(directory, cpusetWrites(resources));
          break;
        case 'cpu':
          add(directory, cpuWritesV1(resources));
          break;
        case 'memory':
          add(directory, memoryWritesV1(resources));
          break;
        case 'pids':
          add(directory, pidsWrites(resources));
          break;
        case 'blkio':
          add(directory, blkioWrites(resources, layout));
          break;
        case 'devices':
          add(directory, devicesWrites(resources));
          break;
      }
    }
  }
  return writes;
}

/** Switches the controllers on in every parent of a version 2 cgroup that has not got them yet. */
function switchOn(layout: Extract<CgroupLayout, { version: 2 }>, path: string): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const levels = path.split('/').filter(level => level !== '');
  let directory = layout.mountPoint;
  for (const level of levels) {
    const file = join(directory, 'cgroup.subtree_control');
    const on = new Set(read(file).split(/\s+/));
    const missing = USED_CONTROLLERS.filter(controller => layout.controllers.has(controller) && !on.has(controller));
    if (missing.length > 0) writes.push({ path: file, data: missing.map(controller => `+${controller}`).join(' ') });
    directory = join(directory, level);
  }
  return writes;
}

const USED_CONTROLLERS = ['cpuset', 'cpu', 'io', 'memory', 'pids'];

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return '';
  }
}
