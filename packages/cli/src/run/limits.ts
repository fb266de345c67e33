import type { DeviceMapping, ThrottleDevice, Ulimit, WeightDevice } from '@gantry/client';
import { parseBytes } from '../render/units.ts';

const ULIMITS = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

/** Reads `name=soft[:hard]`. @throws Error with Docker's wording */
export function parseUlimit(text: string): Ulimit {
  const [, name = '', limits = ''] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (name === '') throw new Error(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const parts = limits.split(':');
  if (parts.length > 2)
    throw new Error(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  const [soft = 0, hard = soft] = parts.map(part => {
    if (!/^[+-]?\d+$/.test(part)) throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(part)}: invalid syntax`);
    return Number(part);
  });
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Soft: soft, Hard: hard };
}

/** Reads `host[:container[:permissions]]`. @throws Error */
export function parseDevice(text: string): DeviceMapping {
  const parts = text.split(':');
  const [source = '', second, third] = parts;
  if (parts.length > 3 || source === '') throw new Error(`invalid device specification: ${text}`);
  const isMode = (mode: string) => mode !== '' && /^[rwm]+$/.test(mode) && new Set(mode).size === mode.length;
  if (parts.length === 2 && isMode(second ?? ''))
    return { PathOnHost: source, PathInContainer: source, CgroupPermissions: second ?? '' };
  if (third !== undefined && !isMode(third)) throw new Error(`bad mode specified: ${third}`);
  return { PathOnHost: source, PathInContainer: second || source, CgroupPermissions: third ?? 'rwm' };
}

/** Reads `path:bytes` (or operations a second). @throws Error */
export function parseThrottle(text: string, unit: 'bytes' | 'operations'): ThrottleDevice {
  const colon = text.indexOf(':');
  const path = text.slice(0, Math.max(0, colon));
  if (colon < 0) throw new Error(`bad format: ${text}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${text}`);
  const amount = text.slice(colon + 1);
  if (unit === 'bytes') return { Path: path, Rate: parseBytes(amount) };
  if (!/^\d+$/.test(amount))
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    );
  return { Path: path, Rate: Number(amount) };
}

/** Reads `path:weight`. @throws Error */
export function parseWeight(text: string): WeightDevice {
  const colon = text.indexOf(':');
  if (colon < 0) throw new Error(`bad format: ${text}`);
  const weight = Number(text.slice(colon + 1));
  if (!text.startsWith('/dev/')) throw new Error(`bad format for device path: ${text}`);
  if (!(weight === 0 || (weight >= 10 && weight <= 1000))) throw new Error(`invalid weight for device: ${text}`);
  return { Path: text.slice(0, colon), Weight: weight };
}
