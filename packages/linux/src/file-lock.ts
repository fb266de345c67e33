import { check, libc, SystemCallError } from './ffi.ts';

const flock = libc('int flock(int fd, int operation)');
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Locks an open file for its descriptor alone, without waiting.
 * @returns false when another open description has it
 * @see flock(2)
 */
export function lockFile(descriptor: number): boolean {
  try {
    check(flock(descriptor, LOCK_EX | LOCK_NB), 'flock');
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'EWOULDBLOCK') return false;
    if (error instanceof SystemCallError && error.code === 'EAGAIN') return false;
    throw error;
  }
}
