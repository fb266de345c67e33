import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { syscall } from './ffi.ts';

export type KernelVersion = { readonly major: number; readonly minor: number };

/** Reads `6.18.5-arch1` as 6 and 18. */
export function parseKernelVersion(text: string): KernelVersion {
  const match = /^(\d+)\.(\d+)/.exec(text);
  return { major: Number(match?.[1] ?? 0), minor: Number(match?.[2] ?? 0) };
}

/** The version of the running kernel. What a kernel can do is better found by trying: vendors port features back. */
export const kernelVersion: KernelVersion = parseKernelVersion(release());

/** Tells whether the running kernel is `major.minor` or newer. */
export function kernelAtLeast(major: number, minor: number, version: KernelVersion = kernelVersion): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** Tells whether the kernel knows a system call: it is called with arguments that cannot succeed. */
function knows(name: string, number: number, ...args: number[]): boolean {
  try {
    syscall(name, number, ...args);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOSYS');
  }
}

const once = <T>(find: () => T): (() => T) => {
  let found: { readonly value: T } | undefined;
  return () => {
    found ??= { value: find() };
    return found.value;
  };
};

/** mount_setattr(2), since 5.12. */
export const hasMountSetattr = once(() => knows('mount_setattr', 442, -1, 0, 0, 0, 0));

/** AppArmor is loaded and enabled. */
export const hasAppArmor = once(() => {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    return false;
  }
});

/** Seccomp with filters is compiled in. */
export const hasSeccomp = once(() => existsSync('/proc/sys/kernel/seccomp/actions_avail'));

/** A namespace type is compiled in. */
export function hasNamespace(type: 'cgroup' | 'ipc' | 'mnt' | 'net' | 'pid' | 'time' | 'user' | 'uts'): boolean {
  return existsSync(`/proc/self/ns/${type}`);
}
