import { readdirSync } from 'node:fs';
import { file, SystemCallError } from '@gantry/linux';

// The descriptors are opened by system calls, not by Node, so they are closed the same way.
const { closeDescriptor } = file;

const BUFFER_BYTES = 1 << 20;
const PERMISSIONS = 0o7777;

type Copy = {
  /** The directory that is filled; hard links are made from here. */
  readonly top: number;
  /** Where a file with several names was copied to, by its inode. */
  readonly linked: Map<bigint, file.ByteString>;
  readonly buffer: Buffer;
};

/** Copies the content of a directory and its own attributes into an empty directory. @throws SystemCallError */
export function copyTree(source: number, targetPath: string): void {
  const top = file.openAt(file.AT_FDCWD, file.byteString(targetPath), file.O_RDONLY | file.O_DIRECTORY);
  try {
    copyEntries(source, top, '', { top, linked: new Map(), buffer: Buffer.allocUnsafe(BUFFER_BYTES) });
    copyDirectoryAttributes(source, top);
  } finally {
    closeDescriptor(top);
  }
}

function copyEntries(source: number, target: number, prefix: file.ByteString, copy: Copy): void {
  for (const name of readdirSync(`/proc/self/fd/${source}`, { encoding: 'latin1' })) {
    copyEntry(source, target, name, prefix + name, copy);
  }
}

function copyEntry(source: number, target: number, name: file.ByteString, path: file.ByteString, copy: Copy): void {
  const status = file.statusAt(source, name);
  if (!status) return;
  const type = status.mode & file.S_IFMT;
  if (type !== file.S_IFDIR && status.links > 1) {
    const first = copy.linked.get(status.inode);
    if (first !== undefined) {
      must(file.tryLinkAt(copy.top, first, target, name), 'linkat', path);
      return;
    }
    copy.linked.set(status.inode, path);
  }
  switch (type) {
    case file.S_IFDIR:
      copyDirectory(source, target, name, path, copy);
      return;
    case file.S_IFREG:
      copyFile(source, target, name, path, status, copy);
      return;
    case file.S_IFLNK:
      must(file.trySymlinkAt(file.readLinkAt(source, name), target, name), 'symlinkat', path);
      file.changeOwnerAt(target, name, status.uid, status.gid);
      break;
    case file.S_IFIFO:
    case file.S_IFCHR:
    case file.S_IFBLK:
      must(file.tryMakeNodeAt(target, name, status.mode, status.major, status.minor), 'mknodat', path);
      file.changeOwnerAt(target, name, status.uid, status.gid);
      file.changeModeAt(target, name, status.mode & PERMISSIONS);
      break;
    default:
      return; // a socket means nothing without the process that listens on it
  }
  copyAttributes(source, target, name);
  file.setTimesAt(target, name, status.access, status.modification);
}

function copyDirectory(source: number, target: number, name: string, path: string, copy: Copy): void {
  must(file.tryMakeDirectoryAt(target, name, 0o700), 'mkdirat', path);
  const flags = file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW;
  const from = file.openAt(source, name, flags);
  try {
    const to = file.openAt(target, name, flags);
    try {
      copyEntries(from, to, `${path}/`, copy);
      copyDirectoryAttributes(from, to);
    } finally {
      closeDescriptor(to);
    }
  } finally {
    closeDescriptor(from);
  }
}

function copyFile(
  source: number,
  target: number,
  name: string,
  path: string,
  status: file.FileStatus,
  { buffer }: Copy,
): void {
  const from = file.openAt(source, name, file.O_RDONLY | file.O_NOFOLLOW | file.O_NONBLOCK);
  try {
    const to = file.openAt(target, name, file.O_WRONLY | file.O_CREAT | file.O_EXCL | file.O_NOFOLLOW, 0o600);
    try {
      for (let offset = 0; ; ) {
        const count = file.readAt(from, buffer, offset);
        if (count === 0) break;
        file.writeAll(to, buffer.subarray(0, count));
        offset += count;
      }
      file.changeOwnerAt(to, '', status.uid, status.gid);
      file.changeMode(to, status.mode & PERMISSIONS);
      // After the owner, since a change of owner drops file capabilities.
      copyAttributes(source, target, name);
      file.setTimesAt(to, '', status.access, status.modification);
    } catch (error) {
      throw new Error(`${file.displayName(path)}: ${error instanceof Error ? error.message : error}`, { cause: error });
    } finally {
      closeDescriptor(to);
    }
  } finally {
    closeDescriptor(from);
  }
}

/** Gives a directory the owner, mode, attributes and times of another one. @throws SystemCallError */
export function copyDirectoryAttributes(source: number, target: number): void {
  const status = file.statusAt(source, '');
  if (!status) return;
  file.changeOwnerAt(target, '', status.uid, status.gid);
  file.changeMode(target, status.mode & PERMISSIONS);
  copyAttributes(source, target, '');
  file.setTimesAt(target, '', status.access, status.modification);
}

const ENOTSUP = 95;

function copyAttributes(source: number, target: number, name: file.ByteString): void {
  for (const [attribute, value] of file.attributesAt(source, name)) {
    if (attribute.startsWith('trusted.overlay.')) continue;
    const result = file.trySetAttributeAt(target, name, attribute, value);
    // A file system without this kind of attribute keeps the rest, as in dockerd.
    if (result < 0 && result !== -ENOTSUP) throw new SystemCallError('setxattr', -result, file.displayName(name));
  }
}

function must(result: number, call: string, path: file.ByteString): void {
  if (result < 0) throw new SystemCallError(call, -result, file.displayName(path));
}
