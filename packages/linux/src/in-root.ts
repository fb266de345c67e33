import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { lastErrno, libc, SystemCallError } from './ffi.ts';
import { O_CLOEXEC, O_PATH } from './mount-flags.ts';

const openat2 = libc('long syscall(long number, long directory, const char *path, const void *how, long size)');

const OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const ENOENT = 2;
const EAGAIN = 11;
const ENOTDIR = 20;

/**
 * Opens `path` as a process would whose root directory is `rootFd`: absolute links and `..` stay inside.
 * The descriptor is close-on-exec.
 * @throws SystemCallError
 * @see openat2(2), RESOLVE_IN_ROOT
 */
export function openInRoot(rootFd: number, path: string, flags: number, mode = 0): number {
  const result = tryOpen(rootFd, path, flags, mode);
  if (result < 0) throw new SystemCallError('open', -result, path);
  return result;
}

/** A descriptor, or a negative errno: that something is missing is no surprise, and an Error costs its stack. */
function tryOpen(rootFd: number, path: string, flags: number, mode: number): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(flags & constants.O_CREAT ? mode : 0), 8);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
  // EAGAIN: a rename somewhere on the machine raced with a `..` of the path; openat2(2) asks callers to try again.
  for (let attempt = 0; ; attempt++) {
    const result = Number(openat2(OPENAT2, rootFd, path === '' ? '.' : path, how, how.length));
    if (result >= 0) return result;
    const errno = lastErrno();
    if (errno !== EAGAIN || attempt >= 128) return -errno;
  }
}

/** What is at `path` inside the root, links followed (the last one too unless said); undefined when nothing is there. */
export function statInRoot(rootFd: number, path: string, { followLast = true } = {}): Stats | undefined {
  const fd = openIfThere(rootFd, path, followLast ? O_PATH : O_PATH | constants.O_NOFOLLOW);
  if (fd === undefined) return undefined;
  try {
    return fstatSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * The bytes of a regular file inside the root; undefined when nothing is there.
 * @param limitBytes files that are longer are refused (EFBIG)
 */
export function readFileInRoot(rootFd: number, path: string, limitBytes = 1 << 20): Buffer | undefined {
  // Looked at through O_PATH first: opening a FIFO or a device of an image would block or act.
  const pathFd = openIfThere(rootFd, path, O_PATH);
  if (pathFd === undefined) return undefined;
  try {
    const stats = fstatSync(pathFd);
    if (stats.isDirectory()) throw new SystemCallError('read', 21, path);
    if (!stats.isFile()) throw new SystemCallError('read', 22, path);
    if (stats.size > limitBytes) throw new SystemCallError('read', 27, path);
    const fd = openSync(`/proc/self/fd/${pathFd}`, 'r');
    try {
      return readAll(fd, limitBytes, path);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(pathFd);
  }
}

/**
 * The path that `path` leads to once links are followed, from the root mount of `rootFd`; undefined when nothing is there.
 * `rootFd` must be the root of its mount.
 */
export function resolveInRoot(rootFd: number, path: string): string | undefined {
  const fd = openIfThere(rootFd, path, O_PATH);
  if (fd === undefined) return undefined;
  try {
    const base = readlinkSync(`/proc/self/fd/${rootFd}`);
    const full = readlinkSync(`/proc/self/fd/${fd}`);
    if (base === '/') return full;
    return full === base ? '/' : full.startsWith(`${base}/`) ? full.slice(base.length) : full;
  } finally {
    closeSync(fd);
  }
}

function openIfThere(rootFd: number, path: string, flags: number): number | undefined {
  const result = tryOpen(rootFd, path, flags, 0);
  if (result >= 0) return result;
  if (result === -ENOENT || result === -ENOTDIR) return undefined;
  throw new SystemCallError('open', -result, path);
}

function readAll(fd: number, limitBytes: number, path: string): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  for (;;) {
    const part = Buffer.allocUnsafe(Math.min(65536, limitBytes + 1));
    const count = readSync(fd, part, 0, part.length, null);
    if (count === 0) return Buffer.concat(parts);
    total += count;
    if (total > limitBytes) throw new SystemCallError('read', 27, path);
    parts.push(part.subarray(0, count));
  }
}
