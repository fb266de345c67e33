import { flags } from '@gantry/linux';
import type { LinuxSpec, NamespaceType } from '@gantry/oci';
import type { Step } from '../plan/steps.ts';
import type { SlotAllocator } from './slots.ts';

const CLONE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  pid: flags.CLONE_NEWPID,
  network: flags.CLONE_NEWNET,
  mount: flags.CLONE_NEWNS,
  ipc: flags.CLONE_NEWIPC,
  uts: flags.CLONE_NEWUTS,
  user: flags.CLONE_NEWUSER,
  cgroup: flags.CLONE_NEWCGROUP,
  time: flags.CLONE_NEWTIME,
};

export type Namespaces = {
  /** CLONE_NEW* of those that are new from the start. */
  readonly cloneFlags: number;
  readonly child: readonly Step[];
  /** Of those that may only begin once the process is in its cgroup: the namespace's root is the cgroup of that moment. */
  readonly afterCgroup: readonly Step[];
  isNew(type: NamespaceType): boolean;
  /** The pid namespace is another container's: whoever joins it is not in it, only its children are. */
  readonly joinsPids: boolean;
};

/** Sorts the namespaces of a container into new ones, joined ones and the host's. */
export function compileNamespaces(namespaces: LinuxSpec['namespaces'], slots: SlotAllocator): Namespaces {
  let cloneFlags = 0;
  const child: Step[] = [];
  const afterCgroup: Step[] = [];
  const fresh = new Set<NamespaceType>();
  let joinsPids = false;
  for (const { type, path } of namespaces) {
    const flag = CLONE_FLAGS[type];
    if (path) {
      const slot = slots.take();
      const join: Step[] = [
        { op: 'open', slot, path, flags: 0 },
        { op: 'setns', slot, flags: flag },
        { op: 'close', slot },
      ];
      slots.release(slot);
      (type === 'cgroup' ? afterCgroup : child).push(...join);
      if (type === 'pid') joinsPids = true;
      continue;
    }
    fresh.add(type);
    if (type === 'cgroup') afterCgroup.push({ op: 'unshare', flags: flag });
    else cloneFlags |= flag;
  }
  return { cloneFlags, child, afterCgroup, isNew: type => fresh.has(type), joinsPids };
}
