import type { ByteString } from './file.ts';
import * as file from './file.ts';

const FOLDER = file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW;

/**
 * Bytes of all files below `path`, each inode once, directories not counted: what Docker shows as the size of containers
 * and volumes. 0 when there is nothing. Files at the paths of `without` (relative) are left out. Synchronous: for worker threads only.
 */
export function treeSize(path: string, without: readonly string[] = []): number {
  const seen = new Set<bigint>();
  const left = new Set(without);
  const measure = (parent: number, base: ByteString, prefix: string): number => {
    const fd = file.tryOpenAt(parent, base, FOLDER);
    if (fd < 0) return 0;
    let sum = 0;
    try {
      for (const name of file.directoryNames(fd)) {
        const status = file.statusAt(fd, name);
        if (!status) continue;
        if ((status.mode & file.S_IFMT) === file.S_IFDIR) sum += measure(fd, name, `${prefix}${name}/`);
        else if (left.has(`${prefix}${name}`)) continue;
        else if (status.links === 1 || !seen.has(status.inode)) {
          if (status.links > 1) seen.add(status.inode);
          sum += status.sizeBytes;
        }
      }
    } finally {
      file.closeDescriptor(fd);
    }
    return sum;
  };
  return measure(file.AT_FDCWD, file.byteString(path), '');
}
