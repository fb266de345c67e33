import { closeSync } from 'node:fs';
import { check, libc, syscall } from './ffi.ts';

const fcntl = libc('int fcntl(int fd, int command, int argument)');

const F_DUPFD_CLOEXEC = 1030;
const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;

/** Closes a descriptor; one that is closed already is no error. */
export function closeDescriptor(fd: number): void {
  try {
    closeSync(fd);
  } catch {}
}

/** A second descriptor, close-on-exec, of the same open file. */
export function duplicate(fd: number): number {
  return check(fcntl(fd, F_DUPFD_CLOEXEC, 3), 'fcntl(F_DUPFD_CLOEXEC)');
}

/** A descriptor, owned for the length of a scope: `using root = owned(mountRoot(...))`. */
export function owned(fd: number): { readonly fd: number } & Disposable {
  return { fd, [Symbol.dispose]: () => closeDescriptor(fd) };
}

/** A descriptor of a process, which stays true when its pid is given to another one. @see pidfd_open(2) */
export function pidfdOpen(pid: number): number {
  return syscall('pidfd_open', PIDFD_OPEN, pid, 0);
}

/** Sends `signal` to the process of a pidfd. @throws SystemCallError ESRCH when it has ended */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  syscall('pidfd_send_signal', PIDFD_SEND_SIGNAL, pidfd, signal, 0, 0);
}
