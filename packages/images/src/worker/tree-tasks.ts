import { constants } from 'node:os';
import { file, SystemCallError } from '@gantry/linux';
import type { ByteString } from '../tar/entry.ts';
import { check, removeTree } from '../unpack/tree.ts';

const FOLDER = file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW;

/** Removes trees that nothing refers to any more; one that cannot be removed is left for the next start. */
export function removeTask(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      removeTree(file.AT_FDCWD, file.byteString(path));
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
  }
}

/** Copies the tree `from` into the existing directory `to`: owners, modes, times, links, devices, attributes. */
export function copyTask(from: string, to: string): void {
  const source = file.openAt(file.AT_FDCWD, file.byteString(from), FOLDER);
  try {
    const target = file.openAt(file.AT_FDCWD, file.byteString(to), FOLDER);
    try {
      copyDirectory(source, target, { root: target, links: new Map() }, '');
    } finally {
      file.closeDescriptor(target);
    }
  } finally {
    file.closeDescriptor(source);
  }
}

type Copy = {
  readonly root: number /** Inode of the source to its first path in the copy. */;
  readonly links: Map<bigint, ByteString>;
};

function copyDirectory(source: number, target: number, copy: Copy, path: ByteString): void {
  for (const name of file.directoryNames(source)) {
    const status = file.statusAt(source, name);
    if (status) copyNode(source, target, name, status, copy, path === '' ? name : `${path}/${name}`);
  }
  const own = file.statusAt(source, '');
  if (own) decorate(source, target, '', own);
}

function copyNode(
  source: number,
  target: number,
  name: ByteString,
  status: file.FileStatus,
  copy: Copy,
  path: ByteString,
): void {
  const type = status.mode & file.S_IFMT;
  const first = status.links > 1 && type !== file.S_IFDIR ? copy.links.get(status.inode) : undefined;
  if (first !== undefined) {
    check(file.tryLinkAt(copy.root, first, target, name), 'linkat', name);
    return;
  }
  if (type !== file.S_IFDIR && status.links > 1) copy.links.set(status.inode, path);
  if (type === file.S_IFDIR) {
    check(file.tryMakeDirectoryAt(target, name, 0o700), 'mkdirat', name);
    const from = file.openAt(source, name, FOLDER);
    const to = file.openAt(target, name, FOLDER);
    try {
      copyDirectory(from, to, copy, path);
    } finally {
      file.closeDescriptor(from);
      file.closeDescriptor(to);
    }
    return;
  }
  if (type === file.S_IFREG) copyFile(source, target, name);
  else if (type === file.S_IFLNK)
    check(file.trySymlinkAt(file.readLinkAt(source, name), target, name), 'symlinkat', name);
  else check(file.tryMakeNodeAt(target, name, status.mode, status.major, status.minor), 'mknodat', name);
  decorate(source, target, name, status);
}

function copyFile(source: number, target: number, name: ByteString): void {
  const from = file.openAt(source, name, file.O_RDONLY | file.O_NOFOLLOW | file.O_NONBLOCK);
  try {
    const to = file.openAt(target, name, file.O_WRONLY | file.O_CREAT | file.O_EXCL | file.O_NOFOLLOW, 0o600);
    try {
      file.copyContents(from, to);
    } finally {
      file.closeDescriptor(to);
    }
  } finally {
    file.closeDescriptor(from);
  }
}

function decorate(source: number, target: number, name: ByteString, status: file.FileStatus): void {
  file.changeOwnerAt(target, name, status.uid, status.gid);
  if ((status.mode & file.S_IFMT) !== file.S_IFLNK)
    file.changeModeAt(target, name === '' ? '.' : name, status.mode & 0o7777);
  for (const [attribute, value] of file.attributesAt(source, name)) {
    const result = file.trySetAttributeAt(target, name, attribute, value);
    if (result !== -constants.errno.EOPNOTSUPP && result !== -constants.errno.EPERM) check(result, 'lsetxattr', name);
  }
  file.setTimesAt(target, name, status.access, status.modification);
}

/** Writes everything below the file system of `path` to the disk. */
export function syncTask(path: string): void {
  const fd = file.openAt(file.AT_FDCWD, file.byteString(path), FOLDER);
  try {
    file.syncFileSystem(fd);
  } finally {
    file.closeDescriptor(fd);
  }
}
