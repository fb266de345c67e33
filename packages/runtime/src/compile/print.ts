import { flags, netlink } from '@gantry/linux';
import type { LaunchPlan } from '../launch.ts';
import type { Step } from '../plan/steps.ts';

/** A launch plan as text, a line a step, for people. */
export function printPlan(plan: Partial<LaunchPlan>): string {
  const lines: string[] = [];
  const section = (title: string, steps: readonly Step[] | undefined): void => {
    if (!steps || steps.length === 0) return;
    lines.push(`${title}:`);
    for (const step of steps) lines.push(`  ${printStep(step)}`);
  };
  section('shim, before', plan.prepare);
  if (plan.cloneFlags !== undefined) lines.push(printClone({ ...plan, cloneFlags: plan.cloneFlags }));
  section('shim, beside', plan.parent);
  section('child', plan.child);
  return `${lines.join('\n')}\n`;
}

/** The clone of a plan's process: its new namespaces, and the cgroup that it is born into. */
export function printClone({ cloneFlags, cgroupPath }: Pick<LaunchPlan, 'cloneFlags' | 'cgroupPath'>): string {
  const namespaces = names(cloneFlags, CLONE).join(' ') || 'no namespaces';
  return cgroupPath === undefined ? `clone ${namespaces}` : `clone ${namespaces} into ${cgroupPath}`;
}

/** One step as a line: its name, where, and what is not the default. */
export function printStep(step: Step): string {
  if (step.op === 'netlink') return `netlink: ${netlink.describeMessages(step.protocol, step.message)}`;
  const { op, ...fields } = step;
  const words: string[] = [op];
  const { at, path, ...rest } = fields as { at?: number; path?: string; [key: string]: unknown };
  if (path !== undefined) words.push(at === undefined ? path : `#${at}:${path.startsWith('/') ? path : `/${path}`}`);
  for (const [key, value] of Object.entries(rest)) {
    const text = printField(op, key, value);
    if (text !== '') words.push(text);
  }
  return words.join(' ');
}

function printField(op: Step['op'], key: string, value: unknown): string {
  if (value === undefined || value === false) return '';
  if (value === true) return key;
  if (key === 'slot') return `#${value}`;
  if (value instanceof Uint8Array) return `${key}=${value.length} bytes`;
  if (typeof value === 'bigint') return `${key}=0x${value.toString(16)}`;
  if (typeof value === 'number') {
    if (key === 'mode' || key === 'mask') return `${key}=0${value.toString(8)}`;
    if (key === 'set' || key === 'clear' || key === 'attributes') {
      return value === 0 ? '' : `${key}=${names(value, ATTRIBUTES).join(',')}`;
    }
    if (key === 'propagation') return value === 0 ? '' : names(value, PROPAGATION).join(',');
    if (key === 'flags' && op === 'mount') return names(value, { ...PROPAGATION, rec: flags.MS_REC }).join(',');
    if (key === 'flags' && (op === 'setns' || op === 'unshare')) return names(value, CLONE).join(',');
    return `${key}=${value}`;
  }
  if (typeof value === 'string') return `${key}=${/[\s"]/.test(value) || value === '' ? JSON.stringify(value) : value}`;
  if (key === 'options' && Array.isArray(value)) {
    return value.map((option: readonly string[]) => option.filter(part => part !== undefined).join('=')).join(',');
  }
  if (Array.isArray(value) && (key === 'argv' || key === 'env')) return `${key}=${JSON.stringify(value)}`;
  return `${key}=${JSON.stringify(value)}`;
}

function names(value: number, table: Readonly<Record<string, number>>): string[] {
  const found: string[] = [];
  let rest = value;
  for (const [name, bit] of Object.entries(table)) {
    if ((rest & bit) !== bit) continue;
    found.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) found.push(`0x${(rest >>> 0).toString(16)}`);
  return found;
}

const ATTRIBUTES = {
  ro: flags.MOUNT_ATTR_RDONLY,
  nosuid: flags.MOUNT_ATTR_NOSUID,
  nodev: flags.MOUNT_ATTR_NODEV,
  noexec: flags.MOUNT_ATTR_NOEXEC,
  noatime: flags.MOUNT_ATTR_NOATIME,
  strictatime: flags.MOUNT_ATTR_STRICTATIME,
  nodiratime: flags.MOUNT_ATTR_NODIRATIME,
};

const PROPAGATION = {
  private: flags.MS_PRIVATE,
  slave: flags.MS_SLAVE,
  shared: flags.MS_SHARED,
  unbindable: flags.MS_UNBINDABLE,
};

const CLONE = {
  mount: flags.CLONE_NEWNS,
  cgroup: flags.CLONE_NEWCGROUP,
  uts: flags.CLONE_NEWUTS,
  ipc: flags.CLONE_NEWIPC,
  user: flags.CLONE_NEWUSER,
  pid: flags.CLONE_NEWPID,
  net: flags.CLONE_NEWNET,
};
