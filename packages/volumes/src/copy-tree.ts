import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { file, SystemCallError } from '@gantry/linux';

// The descriptors are opened by system calls, not by Node, so they are closed the same way.
const { closeDescriptor } = file;
const { ENOTSUP, EEXIST } = constants.errno;

/** Up to here it is not worth asking whether the file system can share the blocks. */
const SMALL_BYTES = 256 * 1024;
const PERMISSIONS = 0o7777;
const BLOCK_BYTES = 512;
/** A file has its name when it is complete, where others may see it meanwhile. */
const PARTIAL = '.gantry-partial-';

/** One copy: from a directory's descriptor into a directory by its path. */
export type CopyTask = {
  readonly source: number;
  readonly target: string;
  /** Others see the target: what is there stays, files appear whole. Else it is empty, and nobody's yet. */
  readonly inPlace: boolean;
  /** What the target's own directory gets instead of the source's. */
  readonly top: {
    readonly uid?: number | undefined;
    readonly gid?: number | undefined;
    readonly mode?: number | undefined;
  };
};

/** What a new file has where no directory gives its group on. */
const OWN = { uid: process.geteuid?.(), gid: process.getegid?.() };

type Copy = {
  /** The directory that is filled; hard links are made from here. */
  readonly top: number;
  readonly inPlace: boolean;
  /** Where a file with several names was copied to, by its inode. */
  readonly linked: Map<bigint, file.ByteString>;
};

/** Copies the content of a directory and its own attributes. @throws SystemCallError */
export function copyTree({ source, target, inPlace, top: wanted }: CopyTask): void {
  const top = file.openAt(file.AT_FDCWD, file.byteString(target), file.O_RDONLY | file.O_DIRECTORY);
  try {
    copyEntries(source, top, '', { top, inPlace, linked: new Map() });
    copyDirectoryAttributes(source, top, wanted);
  } finally {
    closeDescriptor(top);
  }
}

const FEW_ENTRIES = 24;
const FEW_BYTES = 128 * 1024;

/** Whether a directory holds only a few files, none of them below another directory that is not empty. */
export function isSmallTree(directory: number): boolean {
  const names = readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' });
  if (names.length > FEW_ENTRIES) return false;
  let bytes = 0;
  for (const name of names) {
    const status = file.statusAt(directory, name);
    if (!status) continue;
    bytes += status.sizeBytes;
    if (bytes > FEW_BYTES) return false;
    if ((status.mode & file.S_IFMT) !== file.S_IFDIR) continue;
    const below = file.openAt(directory, name, file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW);
    try {
      if (file.directoryNames(below).length > 0) return false;
    } finally {
      closeDescriptor(below);
    }
  }
  return true;
}

function copyEntries(source: number, target: number, prefix: file.ByteString, copy: Copy): void {
  if (copy.inPlace) removePartial(target);
  for (const name of readdirSync(`/proc/self/fd/${source}`, { encoding: 'latin1' })) {
    copyEntry(source, target, name, prefix + name, copy);
  }
}

function copyEntry(source: number, target: number, name: file.ByteString, path: file.ByteString, copy: Copy): void {
  const status = file.statusAt(source, name);
  if (!status) return;
  const type = status.mode & file.S_IFMT;
  if (copy.inPlace && type !== file.S_IFDIR && file.statusAt(target, name)) return;
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
      copyFile(source, target, name, path, status, copy.inPlace);
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
  copyAttributes(file.attributesAt(source, name), target, name);
  file.setTimesAt(target, name, status.access, status.modification);
}

function copyDirectory(source: number, target: number, name: string, path: string, copy: Copy): void {
  const made = file.tryMakeDirectoryAt(target, name, 0o700);
  if (!copy.inPlace || made !== -EEXIST) must(made, 'mkdirat', path);
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
  inPlace: boolean,
): void {
  const from = file.openAt(source, name, file.O_RDONLY | file.O_NOFOLLOW | file.O_NONBLOCK);
  const made = inPlace ? `${PARTIAL}${name.slice(0, 200)}` : name;
  try {
    const to = file.openAt(target, made, file.O_WRONLY | file.O_CREAT | file.O_EXCL | file.O_NOFOLLOW, 0o600);
    try {
      copyBytes(from, to, status);
      if (status.uid !== OWN.uid || status.gid !== OWN.gid || inPlace)
        file.changeOwnerAt(to, '', status.uid, status.gid);
      file.changeMode(to, status.mode & PERMISSIONS);
      // After the owner, since a change of owner drops file capabilities.
      copyAttributes(file.attributesOf(from), target, made);
      file.setTimesAt(to, '', status.access, status.modification);
    } finally {
      closeDescriptor(to);
    }
    if (inPlace) file.renameAt(target, made, target, name);
  } catch (error) {
    throw new Error(`${file.displayName(path)}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    closeDescriptor(from);
  }
}

function copyBytes(from: number, to: number, { sizeBytes, blocks }: file.FileStatus): void {
  const isDense = blocks * BLOCK_BYTES >= sizeBytes;
  if (isDense && sizeBytes <= SMALL_BYTES) file.copyDense(from, to, sizeBytes);
  else file.copyContents(from, to);
}

/** What a copy that was cut short has left. */
function removePartial(directory: number): void {
  for (const name of readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' })) {
    if (name.startsWith(PARTIAL)) file.tryUnlinkAt(directory, name);
  }
}

/** Gives a directory the owner, mode, attributes and times of another one. @throws SystemCallError */
export function copyDirectoryAttributes(source: number, target: number, wanted: CopyTask['top'] = {}): void {
  const status = file.statusAt(source, '');
  if (!status) return;
  file.changeOwnerAt(target, '', wanted.uid ?? status.uid, wanted.gid ?? status.gid);
  file.changeMode(target, wanted.mode ?? status.mode & PERMISSIONS);
  copyAttributes(file.attributesOf(source), target, '');
  file.setTimesAt(target, '', status.access, status.modification);
}

function copyAttributes(attributes: readonly file.Attribute[], target: number, made: file.ByteString): void {
  for (const [attribute, value] of attributes) {
    if (attribute.startsWith('trusted.overlay.')) continue;
    const result = file.trySetAttributeAt(target, made, attribute, value);
    // A file system without this kind of attribute keeps the rest, as in dockerd.
    if (result < 0 && result !== -ENOTSUP) throw new SystemCallError('setxattr', -result, file.displayName(made));
  }
}

function must(result: number, call: string, path: file.ByteString): void {
  if (result < 0) throw new SystemCallError(call, -result, file.displayName(path));
}
