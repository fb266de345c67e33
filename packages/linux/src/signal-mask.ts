import { libc } from './ffi.ts';

const pthreadSigmask = libc('int pthread_sigmask(int how, const void *set, void *old)');
const SIG_UNBLOCK = 1;

/**
 * Lets a signal reach the calling thread again. Node blocks SIGUSR1 in its main thread at start and with --disable-sigusr1
 * never lifts that, so that a listener alone would never hear it.
 * @see pthread_sigmask(3)
 */
export function unblockSignal(signal: number): void {
  const set = Buffer.alloc(128);
  const bit = signal - 1;
  set[bit >> 3] = 1 << (bit & 7);
  pthreadSigmask(SIG_UNBLOCK, set, null);
}
