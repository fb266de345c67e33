import { constants } from 'node:fs';
import { closeDescriptor, file, flags, openInRoot, statInRoot } from '@gantry/linux';

const { O_CREAT, O_EXCL, O_WRONLY } = constants;

/**
 * Puts into a root what programs look for to find out where they run: `/.dockerenv`, and `/etc/mtab` as a link to the
 * mounts. What the image has itself is left as it is.
 */
export function markRoot(rootFd: number): void {
  const made = file.tryOpenAt(rootFd, file.byteString('.dockerenv'), O_CREAT | O_EXCL | O_WRONLY, 0o755);
  // It is there from the first start on, or the root cannot be written: a container runs without it too.
  if (made < 0) return;
  closeDescriptor(made);
  if (!statInRoot(rootFd, '/etc')?.isDirectory()) return;
  const etc = openInRoot(rootFd, '/etc', flags.O_PATH | file.O_DIRECTORY);
  try {
    file.trySymlinkAt(file.byteString('/proc/mounts'), etc, file.byteString('mtab'));
  } finally {
    closeDescriptor(etc);
  }
}
