import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LinuxResources, LinuxSpec } from '@gantry/oci';
import type { Slot, Step } from '../plan/steps.ts';

type DeviceSpec = NonNullable<LinuxSpec['devices']>[number];

const EEXIST = 17;
const TYPE_BITS = { c: 0o020000, b: 0o060000, p: 0o010000 } as const;

/** Nodes that every container has, by name below /dev, with their minor number; all are character devices. */
const STANDARD: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['random', 1, 8],
  ['full', 1, 7],
  ['tty', 5, 0],
  ['zero', 1, 5],
  ['urandom', 1, 9],
];

type DeviceRule = NonNullable<LinuxResources['devices']>[number];

/**
 * What every container may do with devices beside what its configuration says: make any node, and use the standard
 * ones and terminals.
 */
export const standardDeviceRules: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...STANDARD.map(([, major, minor]): DeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 2, access: 'rwm' },
  // Tunnels: programs for virtual networks make the node themselves.
  { allow: true, type: 'c', major: 10, minor: 200, access: 'rwm' },
];

/** Nodes and links of a /dev that was just made, `dev` being its mount. @see OCI runtime-spec, config-linux.md, "Default Devices" */
export function standardDeviceSteps(dev: Slot): Step[] {
  const steps: Step[] = STANDARD.map(([path, major, minor]) => ({
    op: 'mknod',
    at: dev,
    path,
    mode: TYPE_BITS.c | 0o666,
    major,
    minor,
  }));
  const links: [string, string][] = [
    ['fd', '/proc/self/fd'],
    ['stdin', '/proc/self/fd/0'],
    ['stdout', '/proc/self/fd/1'],
    ['stderr', '/proc/self/fd/2'],
    ['ptmx', 'pts/ptmx'],
  ];
  if (existsSync('/proc/kcore')) links.push(['core', '/proc/kcore']);
  for (const [path, target] of links) steps.push({ op: 'symlink', at: dev, path, target });
  return steps;
}

/** Nodes that were asked for; one that is there already stays. `at` is the root. */
export function deviceSteps(at: Slot, devices: readonly DeviceSpec[]): Step[] {
  const steps: Step[] = [];
  const made = new Set<string>();
  for (const { path, type, major, minor, fileMode = 0o666, uid = 0, gid = 0 } of devices) {
    if (path === '/dev/ptmx' || STANDARD.some(([name]) => path === `/dev/${name}`)) continue;
    const parent = dirname(path);
    if (parent !== '/dev' && !made.has(parent)) {
      made.add(parent);
      steps.push({ op: 'mkdirAll', at, path: parent, mode: 0o755 });
    }
    const mode = TYPE_BITS[type] | (fileMode & 0o7777);
    steps.push({ op: 'mknod', at, path, mode, major, minor, uid, gid, ignore: [EEXIST] });
  }
  return steps;
}
