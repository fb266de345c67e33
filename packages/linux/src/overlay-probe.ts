import { attempt, libc } from './ffi.ts';
import { closeDescriptor } from './file.ts';

const FSOPEN = 430;
const FSCONFIG = 431;
const fsopenFn = libc('long syscall(long number, const void *type, long flags)');
const fsconfigFn = libc(
  'long syscall(long number, long fd, long command, const void *key, const void *value, long aux)',
);

/**
 * Tries to set up an overlay of these directories without mounting it anywhere. Returns 0, or the negated errno.
 * @see fsopen(2), fsconfig(2)
 */
export function tryOverlay(lower: string, upper: string, work: string): number {
  const text = (value: string): Buffer => Buffer.from(`${value}\0`);
  const fd = attempt(fsopenFn(FSOPEN, text('overlay'), 1));
  if (fd < 0) return fd;
  try {
    for (const [key, value] of [
      ['lowerdir', lower],
      ['upperdir', upper],
      ['workdir', work],
    ] as const) {
      const result = attempt(fsconfigFn(FSCONFIG, fd, 1, text(key), text(value), 0));
      if (result < 0) return result;
    }
    return attempt(fsconfigFn(FSCONFIG, fd, 6, null, null, 0));
  } finally {
    closeDescriptor(fd);
  }
}
