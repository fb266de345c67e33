import { readFileSync } from 'node:fs';
import { check, libc, syscall } from './ffi.ts';

const prlimit = libc('int prlimit64(int pid, int resource, const void *limit, void *old)');

/** The largest limit: none. */
export const RLIM_INFINITY = 0xffffffffffffffffn;

/** Sends a signal to a process. @throws SystemCallError ESRCH when it has ended */
export function kill(pid: number, signal: number): void {
  syscall('kill', process.arch === 'arm64' ? 129 : 62, pid, signal);
}

/** The soft and hard limit of a process (0: this one) for a resource number of `RLIMITS`. @see prlimit(2) */
export function readLimit(resource: number, pid = 0): { soft: bigint; hard: bigint } {
  const old = Buffer.alloc(16);
  check(prlimit(pid, resource, null, old), 'prlimit');
  return { soft: old.readBigUInt64LE(0), hard: old.readBigUInt64LE(8) };
}

/**
 * When a process started, in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names a process for
 * good. Undefined when there is none.
 */
export function processStartTime(pid: number): bigint | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command (field 2) may hold blanks and brackets: what follows the last bracket is regular.
    const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return field === undefined ? undefined : BigInt(field);
  } catch {
    return undefined;
  }
}
