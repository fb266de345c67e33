import { systemError } from '@gantry/errors';

/** Mount flags that undo each other share a key; of each key the last one counts. */
const FLAGS: Readonly<Record<string, string>> = {
  ro: 'ro',
  rw: 'ro',
  suid: 'suid',
  nosuid: 'suid',
  dev: 'dev',
  nodev: 'dev',
  exec: 'exec',
  noexec: 'exec',
  sync: 'sync',
  async: 'sync',
  dirsync: 'dirsync',
  remount: 'remount',
  mand: 'mand',
  nomand: 'mand',
  atime: 'atime',
  noatime: 'atime',
  diratime: 'diratime',
  nodiratime: 'diratime',
  relatime: 'relatime',
  norelatime: 'relatime',
  strictatime: 'strictatime',
  nostrictatime: 'strictatime',
};
const PROPAGATION = [
  'bind',
  'rbind',
  'unbindable',
  'runbindable',
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
];
const VALUES = new Set(['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol']);

/**
 * The options of a --tmpfs mount: Docker's own, then those given, where of two that say the same thing the later counts.
 * @throws systemError `invalid tmpfs option "x"`
 */
export function mergeTmpfsOptions(given: readonly string[]): string[] {
  const chosen = new Map<string, string>();
  const all = ['noexec', 'nosuid', 'nodev', 'rprivate', ...given];
  for (const option of all.toReversed()) {
    if (option === 'defaults') continue;
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const key = PROPAGATION.includes(option) ? 'propagation' : FLAGS[option];
    if (key === undefined && (equals < 0 || !VALUES.has(name))) {
      throw systemError(`invalid tmpfs option ${JSON.stringify(name)}`);
    }
    const slot = key ?? `=${name}`;
    if (!chosen.has(slot)) chosen.set(slot, option);
  }
  return [...chosen.values()].toReversed();
}
