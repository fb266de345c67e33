import { constants } from 'node:os';
import { invalidParameter } from '@gantry/errors';
import { file, SystemCallError } from '@gantry/linux';
import type { ByteString } from '../tar/entry.ts';

const { ENOENT, ENOTDIR } = constants.errno;
const INSIDE = file.RESOLVE_IN_ROOT | file.RESOLVE_NO_MAGICLINKS;
const MAX_LINKS = 255;

/** What is at a path of a container, as Docker describes it in a header. */
export type PathStatus = {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bits of Go's os.FileMode. */
  readonly mode: number;
  readonly modification: file.FileTime;
  /** Where a symbolic link leads to in the end, as far as that exists. */
  readonly linkTarget: string;
};

/** Opens `path` inside the root, O_PATH, without following its last part (unless a slash follows). The negated errno when that fails. */
export function tryOpenPath(root: number, path: ByteString): number {
  return file.tryOpenResolved(root, path === '' ? '.' : path, file.O_PATH | file.O_NOFOLLOW, INSIDE);
}

/** @throws SystemCallError `lstat PATH: ...` */
export function openPath(root: number, path: ByteString): number {
  const fd = tryOpenPath(root, path);
  if (fd < 0) throw new SystemCallError('lstat', -fd, file.displayName(path));
  return fd;
}

/** The last part of a path as Go's filepath.Base gives it. */
export function baseName(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed === '') return path === '' ? '.' : '/';
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

/** Describes what is at `path`; a link at its end is not followed. @throws SystemCallError ENOENT, ENOTDIR */
export function pathStatus(root: number, path: string): PathStatus {
  const fd = openPath(root, file.byteString(path));
  try {
    const status = file.statusAt(fd, '');
    if (!status) throw new SystemCallError('lstat', ENOENT, path);
    const isLink = (status.mode & file.S_IFMT) === file.S_IFLNK;
    return {
      name: baseName(path),
      sizeBytes: status.sizeBytes,
      mode: goMode(status.mode),
      modification: status.modification,
      linkTarget: isLink ? file.displayName(followLinks(root, file.byteString(path))) : '',
    };
  } finally {
    file.closeDescriptor(fd);
  }
}

const GO_TYPES: ReadonlyMap<number, number> = new Map([
  [file.S_IFDIR, 2 ** 31],
  [file.S_IFLNK, 2 ** 27],
  [file.S_IFBLK, 2 ** 26],
  [file.S_IFCHR, 2 ** 26 + 2 ** 21],
  [file.S_IFIFO, 2 ** 25],
  [0o140000, 2 ** 24],
]);

/** A mode as Go's os.FileMode has it. @see go doc os.FileMode */
function goMode(mode: number): number {
  let bits = (mode & 0o777) + (GO_TYPES.get(mode & file.S_IFMT) ?? 0);
  if (mode & 0o4000) bits += 2 ** 23;
  if (mode & 0o2000) bits += 2 ** 22;
  if (mode & 0o1000) bits += 2 ** 20;
  return bits;
}

/** The path without links that `path` leads to; from the first part that does not exist it stays as it is written. */
export function followLinks(root: number, path: ByteString): ByteString {
  const left = path.split('/');
  const done: ByteString[] = [];
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const fd = tryOpenPath(root, [...done, part].join('/'));
    if (fd === -ENOENT || fd === -ENOTDIR) {
      done.push(part);
      continue;
    }
    if (fd < 0) throw new SystemCallError('lstat', -fd, file.displayName(path));
    try {
      const mode = file.statusAt(fd, '')?.mode ?? 0;
      if ((mode & file.S_IFMT) !== file.S_IFLNK) {
        done.push(part);
        continue;
      }
      links += 1;
      if (links > MAX_LINKS) throw new SystemCallError('lstat', constants.errno.ELOOP, file.displayName(path));
      const target = file.readLinkAt(fd, '');
      if (target.startsWith('/')) done.length = 0;
      left.unshift(...target.split('/'));
    } finally {
      file.closeDescriptor(fd);
    }
  }
  return `/${done.join('/')}`;
}

/** The directory that `path` leads to once every link is followed. @throws SystemCallError ENOENT, invalidParameter when it is none */
export function targetDirectory(root: number, path: string): string {
  const resolved = followLinks(root, file.byteString(path));
  const fd = openPath(root, resolved);
  try {
    const status = file.statusAt(fd, '');
    if (!status || (status.mode & file.S_IFMT) !== file.S_IFDIR) {
      throw invalidParameter('extraction point is not a directory');
    }
    return file.displayName(resolved);
  } finally {
    file.closeDescriptor(fd);
  }
}
