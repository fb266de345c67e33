import { reduceRules } from '../device-rules.ts';
import type { CgroupResources, ControlWrite } from '../resources.ts';

/**
 * Device rules, as few writes as say the same: the default, then its exceptions.
 * @see admin-guide/cgroup-v1/devices.rst
 */
export function devicesWrites({ devices }: CgroupResources): ControlWrite[] {
  if (!devices || devices.length === 0) return [];
  const { allowAll, exceptions } = reduceRules(devices);
  const number = (value: number) => (value < 0 ? '*' : String(value));
  return [
    { file: allowAll ? 'devices.allow' : 'devices.deny', data: 'a' },
    ...exceptions.map(({ type, major, minor, access }) => ({
      file: allowAll ? 'devices.deny' : 'devices.allow',
      data: `${type} ${number(major)}:${number(minor)} ${access}`,
    })),
  ];
}
