import type { CgroupResources, ControlWrite, DeviceRule } from '../resources.ts';

/** Device rules in their order; one of type `a` resets the list. @see admin-guide/cgroup-v1/devices.rst */
export function devicesWrites({ devices }: CgroupResources): ControlWrite[] {
  return (devices ?? []).map(rule => ({ file: rule.allow ? 'devices.allow' : 'devices.deny', data: line(rule) }));
}

function line({ type = 'a', major, minor, access = 'rwm' }: DeviceRule): string {
  const number = (value: number | undefined) => (value === undefined || value < 0 ? '*' : String(value));
  // The kernel reads nothing behind an `a`.
  return type === 'a' ? 'a' : `${type} ${number(major)}:${number(minor)} ${access}`;
}
