import { closeSync, constants, openSync } from 'node:fs';
import { attempt, libc } from './ffi.ts';

const ioctlFn = libc('int ioctl(int fd, unsigned long request, void *argument)');

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_TOPDIR_FL = 0x00020000;

/**
 * Tells ext4 that the directories made in `path` have nothing to do with each other, so that each gets a block group of its
 * own with plenty of free inodes. Without it, files that are made soon after others were removed beside them are slow: ext4
 * gives no inode out again within a minute, and walks over all of them for each new file [M: 1.7 s in the kernel instead of
 * 0.15 s for 5000 files]. Threads that fill directories side by side do not meet in one group either. Does nothing on
 * file systems that know no such flag.
 * @see chattr(1), attribute T
 */
export function spreadSubdirectories(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const flags = Buffer.alloc(8);
    if (attempt(ioctlFn(fd, FS_IOC_GETFLAGS, flags)) < 0) return;
    flags.writeInt32LE(flags.readInt32LE(0) | FS_TOPDIR_FL, 0);
    ioctlFn(fd, FS_IOC_SETFLAGS, flags);
  } finally {
    closeSync(fd);
  }
}
