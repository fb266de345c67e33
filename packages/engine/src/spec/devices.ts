import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemError } from '@gantry/errors';
import { splitDeviceNumber } from '@gantry/linux';
import type { LinuxResources, LinuxSpec } from '@gantry/oci';
import type { DeviceMapping, DeviceRequest, HostConfig } from '../documents/index.ts';

type Device = NonNullable<LinuxSpec['devices']>[number];
type DeviceRule = NonNullable<LinuxResources['devices']>[number];

const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 5, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 9, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 8, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 1, access: 'rwm' },
  { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
];

/** Directories below /dev that a container has of its own, or that hold no devices. */
const NOT_SHARED = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'lxd', 'incus']);

/** The devices of a container and the rules of its device cgroup. @throws systemError with dockerd's texts */
export function containerDevices(host: HostConfig): { devices: Device[]; rules: DeviceRule[] } {
  for (const request of host.DeviceRequests ?? []) throw noDeviceDriver(request);
  if (host.Privileged) {
    const mapped = (host.Devices ?? []).filter(device => device.PathOnHost !== device.PathInContainer);
    const devices = [...hostDevices(), ...mapped.flatMap(mapDevice)];
    return { devices, rules: [{ allow: true, access: 'rwm' }] };
  }
  const rules = [...DEFAULT_RULES];
  const devices: Device[] = [];
  for (const mapping of host.Devices ?? []) {
    for (const device of mapDevice(mapping)) {
      devices.push(device);
      const { type, major, minor } = device;
      if (type !== 'p') rules.push({ allow: true, type, major, minor, access: mapping.CgroupPermissions });
    }
  }
  for (const rule of host.DeviceCgroupRules ?? []) rules.push(parseDeviceRule(rule));
  return { devices, rules };
}

function noDeviceDriver({ Driver, Capabilities }: DeviceRequest): Error {
  const capabilities = (Capabilities ?? []).map(list => `[${(list ?? []).join(' ')}]`).join(' ');
  return systemError(
    `could not select device driver ${JSON.stringify(Driver ?? '')} with capabilities: [${capabilities}]`,
  );
}

/** Parses `c 7:* rwm`. @throws systemError */
export function parseDeviceRule(text: string): DeviceRule {
  const [, type, major = '', minor = '', access = ''] = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === undefined) throw systemError(`invalid device cgroup rule format: '${text}'`);
  for (const [name, value] of Object.entries({ major, minor })) {
    if (value.length > 18) throw systemError(`invalid ${name} value in device cgroup rule format: '${text}'`);
  }
  return {
    allow: true,
    type: type as 'a' | 'b' | 'c',
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}

function deviceOf(stats: Stats, path: string): Device | undefined {
  const type = stats.isCharacterDevice() ? 'c' : stats.isBlockDevice() ? 'b' : stats.isFIFO() ? 'p' : undefined;
  if (!type) return undefined;
  const number = type === 'p' ? { major: 0, minor: 0 } : splitDeviceNumber(stats.rdev);
  return { type, path, ...number, fileMode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
}

/** One --device: a device, a link to one, or a directory of them. */
function mapDevice({ PathOnHost, PathInContainer }: DeviceMapping): Device[] {
  const failed = (reason: string): Error =>
    systemError(
      `error gathering device information while adding custom device ${JSON.stringify(PathOnHost)}: ${reason}`,
    );
  let path = PathOnHost;
  let stats: Stats;
  try {
    path = realpathSync(PathOnHost);
    stats = statSync(path);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw failed(missing ? 'no such file or directory' : messageOf(error));
  }
  const device = deviceOf(stats, PathInContainer);
  if (device) return [device];
  const found = stats.isDirectory() ? devicesBelow(path, PathInContainer, new Set()) : [];
  if (found.length === 0) throw failed('not a device node');
  return found;
}

function hostDevices(): Device[] {
  return devicesBelow('/dev', '/dev', NOT_SHARED).filter(device => device.path !== '/dev/console');
}

function devicesBelow(directory: string, shownAs: string, skip: ReadonlySet<string>): Device[] {
  const found: Device[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const shown = join(shownAs, entry.name);
    if (entry.isDirectory()) {
      if (!skip.has(entry.name)) found.push(...devicesBelow(path, shown, skip));
      continue;
    }
    if (entry.isSymbolicLink() || entry.isFile() || entry.isSocket()) continue;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    const device = stats && deviceOf(stats, shown);
    if (device) found.push(device);
  }
  return found;
}
