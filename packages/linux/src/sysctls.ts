export type SysctlNamespace = 'ipc' | 'network' | 'uts';

const IPC: ReadonlySet<string> = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/**
 * The namespace that a kernel setting belongs to, in dotted form; undefined for one that is the whole machine's.
 * @see sysctl(5) and the kernel's ipc_sysctl.c
 */
export function sysctlNamespace(name: string): SysctlNamespace | undefined {
  if (IPC.has(name) || name.startsWith('fs.mqueue.')) return 'ipc';
  if (name.startsWith('net.')) return 'network';
  if (name === 'kernel.domainname' || name === 'kernel.hostname') return 'uts';
  return undefined;
}

/** Brings `net/ipv4/conf/eth0.100/forwarding` to dotted form; the first separator decides how a name is written. */
export function sysctlDotted(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '/') return name;
  return name.replace(/[./]/g, separator => (separator === '/' ? '.' : '/'));
}

/** The path below /proc/sys of a setting in dotted form. */
export function sysctlPath(name: string): string {
  return sysctlDotted(name).replace(/[./]/g, separator => (separator === '.' ? '/' : '.'));
}
