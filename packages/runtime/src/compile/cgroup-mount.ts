import { join } from 'node:path';
import { flags } from '@gantry/linux';
import type { Step } from '../plan/steps.ts';
import type { MountOptions } from './mount-options.ts';
import type { MountContext } from './mounts.ts';

const { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_PRIVATE } = flags;

const SAFE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/**
 * Shows a container its cgroups: in version 1 a tmpfs with a bind of its own cgroup in each hierarchy, in version 2
 * the tree from its cgroup namespace.
 */
export function cgroupMountSteps(target: string, options: MountOptions, context: MountContext): Step[] {
  const { root, slots, cgroup: layout, cgroupsPath, cgroupNamespace } = context;
  const slot = slots.take();
  const steps: Step[] = [];
  const attach = (path: string): void => {
    steps.push({ op: 'mkdirAll', at: root, path, mode: 0o755 }, { op: 'moveMount', slot, at: root, path });
  };
  const bind = (source: string, path: string): void => {
    steps.push({ op: 'openTree', slot, recursive: true, path: source });
    attach(path);
    steps.push({ op: 'mountSetattr', slot, set: options.set, clear: 0, propagation: MS_PRIVATE, recursive: true });
  };
  if (layout.version === 2) {
    // Without a namespace of its own, a new mount would change the options of the host's tree.
    if (cgroupNamespace) {
      steps.push({ op: 'fsMount', slot, type: 'cgroup2', options: [['source', 'cgroup']], attributes: options.set });
      attach(target);
    } else {
      bind(layout.mountPoint, target);
    }
  } else {
    steps.push({
      op: 'fsMount',
      slot,
      type: 'tmpfs',
      options: [
        ['source', 'tmpfs'],
        ['mode', '755'],
      ],
      attributes: SAFE,
    });
    attach(target);
    for (const { mountPoint, name, controllers } of layout.hierarchies) {
      if (cgroupNamespace) {
        steps.push({
          op: 'fsMount',
          slot,
          type: 'cgroup',
          options: [['source', name === 'systemd' ? 'systemd' : 'cgroup'], ...controllers.map(asOption)],
          attributes: SAFE | (options.set & MOUNT_ATTR_RDONLY),
        });
        attach(join(target, name));
      } else {
        bind(join(mountPoint, cgroupsPath), join(target, name));
      }
      if (!name.includes(',')) continue;
      for (const alias of name.split(',')) {
        steps.push({ op: 'symlink', at: root, path: join(target, alias), target: name, ignore: [EEXIST] });
      }
    }
  }
  steps.push({ op: 'close', slot });
  slots.release(slot);
  return steps;
}

const EEXIST = 17;

function asOption(controller: string): readonly [string, string?] {
  return controller.startsWith('name=') ? ['name', controller.slice('name='.length)] : [controller];
}
