import { flags } from '@gantry/linux';
import type { Step } from '@gantry/runtime';

const {
  MS_BIND,
  MS_DIRSYNC,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
} = flags;

/** What a word of `o` sets, or takes away. */
const WORDS: Readonly<Record<string, { readonly set?: number; readonly clear?: number }>> = {
  defaults: {},
  ro: { set: MS_RDONLY },
  rw: { clear: MS_RDONLY },
  suid: { clear: MS_NOSUID },
  nosuid: { set: MS_NOSUID },
  dev: { clear: MS_NODEV },
  nodev: { set: MS_NODEV },
  exec: { clear: MS_NOEXEC },
  noexec: { set: MS_NOEXEC },
  sync: { set: MS_SYNCHRONOUS },
  async: { clear: MS_SYNCHRONOUS },
  dirsync: { set: MS_DIRSYNC },
  remount: { set: MS_REMOUNT },
  mand: { set: MS_MANDLOCK },
  nomand: { clear: MS_MANDLOCK },
  atime: { clear: MS_NOATIME },
  noatime: { set: MS_NOATIME },
  diratime: { clear: MS_NODIRATIME },
  nodiratime: { set: MS_NODIRATIME },
  bind: { set: MS_BIND },
  rbind: { set: MS_BIND | MS_REC },
  unbindable: { set: MS_UNBINDABLE },
  runbindable: { set: MS_UNBINDABLE | MS_REC },
  private: { set: MS_PRIVATE },
  rprivate: { set: MS_PRIVATE | MS_REC },
  shared: { set: MS_SHARED },
  rshared: { set: MS_SHARED | MS_REC },
  slave: { set: MS_SLAVE },
  rslave: { set: MS_SLAVE | MS_REC },
  relatime: { set: MS_RELATIME },
  norelatime: { clear: MS_RELATIME },
  strictatime: { set: MS_STRICTATIME },
  nostrictatime: { clear: MS_STRICTATIME },
};
const KINDS = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/** What a volume mounts at its first use: mount(8)'s device, type and options. */
export type LocalMount = {
  readonly device: string;
  readonly type: string;
  /** MS_* for the mount itself, without propagation. */
  readonly flags: number;
  /** What the file system itself reads. */
  readonly data: string;
  readonly propagation: number;
};

/** Reads the words of `o`; those that mean nothing to the kernel's mount flags are left for the file system. */
export function localMount(device: string, type: string, options: string): LocalMount {
  let set = 0;
  const data: string[] = [];
  for (const word of options.split(',')) {
    const meaning = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    if (meaning) set = (set | (meaning.set ?? 0)) & ~(meaning.clear ?? 0);
    else if (word !== '') data.push(word);
  }
  const propagation = set & KINDS ? set & (KINDS | MS_REC) : 0;
  return { device, type, flags: set & ~KINDS, data: data.join(','), propagation };
}

/** The mount at `target`, as steps for the host. @see mount(2): a bind takes read-only by a second call only */
export function mountSteps(mount: LocalMount, target: string): Step[] {
  const { device, type, data, propagation } = mount;
  const steps: Step[] = [{ op: 'mount', source: device, path: target, type, flags: mount.flags, data }];
  if (propagation !== 0) steps.push({ op: 'mount', path: target, flags: propagation });
  if (mount.flags & MS_BIND && mount.flags & MS_RDONLY) {
    steps.push({ op: 'mount', path: target, flags: mount.flags | MS_REMOUNT });
  }
  return steps;
}

/** A failed mount in the words of Docker's mount package; what a password may be is not shown. */
export function mountFailure({ device, flags: set, data }: LocalMount, target: string, reason: string): string {
  const shown = data.replace(/\bpassword=[^,]*/, 'password=********');
  return [
    `mount ${device}:${target}`,
    ...(set === 0 ? [] : [`, flags: 0x${set.toString(16)}`]),
    ...(shown === '' ? [] : [`, data: ${shown}`]),
    `: ${reason}`,
  ].join('');
}
