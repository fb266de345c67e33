import { constants } from 'node:os';
import { type ByteString, displayName, first, PATH_MAX, second } from './byte-string.ts';
import { attempt, check, libc, SystemCallError } from './ffi.ts';

// Files by descriptor and name, for code that must not follow links out of a tree and whose names need not be UTF-8.

export const AT_FDCWD = -100;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
/** arm64 has its own numbers for these two. */
export const O_DIRECTORY = process.arch === 'arm64' ? 0o40000 : 0o200000;
export const O_NOFOLLOW = process.arch === 'arm64' ? 0o100000 : 0o400000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

const openatFn = libc('int openat(int dir, const void *name, int flags, uint32_t mode)');
const openat2Fn = libc('long syscall(long number, long dir, const void *name, const void *how, long size)');
const closeFn = libc('int close(int fd)');
const writeFn = libc('long write(int fd, const void *data, size_t length)');
const pwriteFn = libc('long pwrite(int fd, const void *data, size_t length, int64_t offset)');
const preadFn = libc('long pread(int fd, void *data, size_t length, int64_t offset)');
const ftruncateFn = libc('int ftruncate(int fd, int64_t length)');
const mkdiratFn = libc('int mkdirat(int dir, const void *name, uint32_t mode)');
const mknodatFn = libc('int mknodat(int dir, const void *name, uint32_t mode, uint64_t device)');
const linkatFn = libc('int linkat(int fromDir, const void *from, int toDir, const void *to, int flags)');
const symlinkatFn = libc('int symlinkat(const void *target, int dir, const void *name)');
const readlinkatFn = libc('long readlinkat(int dir, const void *name, void *target, size_t size)');
const unlinkatFn = libc('int unlinkat(int dir, const void *name, int flags)');
const renameatFn = libc('int renameat(int fromDir, const void *from, int toDir, const void *to)');
const renameat2Fn = libc('int renameat2(int fromDir, const void *from, int toDir, const void *to, uint32_t flags)');
const fchownatFn = libc('int fchownat(int dir, const void *name, uint32_t uid, uint32_t gid, int flags)');
const fchmodFn = libc('int fchmod(int fd, uint32_t mode)');
const fchmodatFn = libc('int fchmodat(int dir, const void *name, uint32_t mode, int flags)');
const utimensatFn = libc('int utimensat(int dir, const void *name, const void *times, int flags)');
const futimensFn = libc('int futimens(int fd, const void *times)');
const statxFn = libc('int statx(int dir, const void *name, int flags, uint32_t mask, void *out)');
const syncfsFn = libc('int syncfs(int fd)');
const syncRangeFn = libc('int sync_file_range(int fd, int64_t offset, int64_t length, uint32_t flags)');

function must(result: unknown, call: string, name?: ByteString): number {
  return check(result, call, name === undefined ? undefined : displayName(name));
}

/** openat(2), always close-on-exec. Returns the descriptor, or the negated errno. */
export function tryOpenAt(dir: number, name: ByteString, flags: number, mode = 0): number {
  return attempt(openatFn(dir, first(name, 'openat'), flags | O_CLOEXEC, mode));
}

/** openat(2), always close-on-exec. @throws SystemCallError */
export function openAt(dir: number, name: ByteString, flags: number, mode = 0): number {
  return must(openatFn(dir, first(name, 'openat'), flags | O_CLOEXEC, mode), 'openat', name);
}

const OPENAT2 = 437;
const how = Buffer.alloc(24);

/**
 * openat2(2), always close-on-exec: `resolve` says how far the name may lead (RESOLVE_IN_ROOT, RESOLVE_BENEATH, ...).
 * Returns the descriptor, or the negated errno. EAGAIN (a rename raced with `..`) is tried again a bounded number of times.
 */
export function tryOpenResolved(dir: number, name: ByteString, flags: number, resolve: number, mode = 0): number {
  for (let round = 0; ; round++) {
    how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
    how.writeBigUInt64LE(BigInt(mode), 8);
    how.writeBigUInt64LE(BigInt(resolve), 16);
    const result = attempt(openat2Fn(OPENAT2, dir, first(name, 'openat2'), how, how.length));
    if (result !== -constants.errno.EAGAIN || round >= 64) return result;
  }
}

/** As {@link tryOpenResolved}. @throws SystemCallError */
export function openResolved(dir: number, name: ByteString, flags: number, resolve: number, mode = 0): number {
  const result = tryOpenResolved(dir, name, flags, resolve, mode);
  if (result < 0) throw new SystemCallError('openat2', -result, displayName(name));
  return result;
}

/** close(2); an error is ignored, the descriptor is gone either way. */
export function closeDescriptor(fd: number): void {
  closeFn(fd);
}

/** Writes all of `data` at the file's position. @throws SystemCallError (ENOSPC, EDQUOT, EIO) */
export function writeAll(fd: number, data: Uint8Array): void {
  for (let done = 0; done < data.byteLength; ) {
    const rest = done === 0 ? data : data.subarray(done);
    done += check(writeFn(fd, rest, rest.byteLength), 'write');
  }
}

/** Writes all of `data` at `offset` bytes. @throws SystemCallError */
export function writeAllAt(fd: number, data: Uint8Array, offset: number): void {
  for (let done = 0; done < data.byteLength; ) {
    const rest = done === 0 ? data : data.subarray(done);
    done += check(pwriteFn(fd, rest, rest.byteLength, offset + done), 'pwrite');
  }
}

/** Reads up to `data.length` bytes at `offset`; 0 is the end of the file. @throws SystemCallError */
export function readAt(fd: number, data: Uint8Array, offset: number): number {
  return check(preadFn(fd, data, data.byteLength, offset), 'pread');
}

/** ftruncate(2). @throws SystemCallError */
export function setLength(fd: number, lengthBytes: number): void {
  check(ftruncateFn(fd, lengthBytes), 'ftruncate');
}

/** mkdirat(2). Returns 0, or the negated errno. */
export function tryMakeDirectoryAt(dir: number, name: ByteString, mode: number): number {
  return attempt(mkdiratFn(dir, first(name, 'mkdirat'), mode));
}

/** mknodat(2). Returns 0, or the negated errno. `mode` includes the file type. */
export function tryMakeNodeAt(dir: number, name: ByteString, mode: number, major = 0, minor = 0): number {
  return attempt(mknodatFn(dir, first(name, 'mknodat'), mode, deviceNumber(major, minor)));
}

/** glibc's makedev: 32 bits of major and minor in 64. */
function deviceNumber(major: number, minor: number): bigint {
  const [a, i] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((i & 0xffffff00n) << 12n) | (i & 0xffn);
}

/** linkat(2) without following a link at the end. Returns 0, or the negated errno. */
export function tryLinkAt(fromDir: number, from: ByteString, toDir: number, to: ByteString): number {
  return attempt(linkatFn(fromDir, first(from, 'linkat'), toDir, second(to, 'linkat'), 0));
}

/** symlinkat(2). Returns 0, or the negated errno. */
export function trySymlinkAt(target: ByteString, dir: number, name: ByteString): number {
  return attempt(symlinkatFn(first(target, 'symlinkat'), dir, second(name, 'symlinkat')));
}

/** readlinkat(2). @throws SystemCallError */
export function readLinkAt(dir: number, name: ByteString): ByteString {
  const target = Buffer.allocUnsafe(PATH_MAX);
  const length = must(readlinkatFn(dir, first(name, 'readlinkat'), target, target.length), 'readlinkat', name);
  return target.toString('latin1', 0, length);
}

/** unlinkat(2); `flags` AT_REMOVEDIR for a directory. Returns 0, or the negated errno. */
export function tryUnlinkAt(dir: number, name: ByteString, flags = 0): number {
  return attempt(unlinkatFn(dir, first(name, 'unlinkat'), flags));
}

/** renameat(2). @throws SystemCallError */
export function renameAt(fromDir: number, from: ByteString, toDir: number, to: ByteString): void {
  must(renameatFn(fromDir, first(from, 'renameat'), toDir, second(to, 'renameat')), 'renameat', from);
}

const RENAME_EXCHANGE = 2;

/**
 * Lets two paths change their places, at once; false when one of them does not exist.
 * @throws SystemCallError EINVAL on a file system that cannot
 * @see rename(2)
 */
export function tryExchange(one: ByteString, other: ByteString): boolean {
  const result = attempt(
    renameat2Fn(AT_FDCWD, first(one, 'renameat2'), AT_FDCWD, second(other, 'renameat2'), RENAME_EXCHANGE),
  );
  if (result === -constants.errno.ENOENT) return false;
  if (result < 0) throw new SystemCallError('renameat2', -result, displayName(one));
  return true;
}

/** Changes the owner of `name` itself, or of `dir` when the name is empty. @throws SystemCallError */
export function changeOwnerAt(dir: number, name: ByteString, uid: number, gid: number): void {
  const flags = AT_SYMLINK_NOFOLLOW | (name === '' ? AT_EMPTY_PATH : 0);
  must(fchownatFn(dir, first(name, 'fchownat'), uid, gid, flags), 'fchownat', name);
}

/** fchmod(2). @throws SystemCallError */
export function changeMode(fd: number, mode: number): void {
  check(fchmodFn(fd, mode), 'fchmod');
}

/** fchmodat(2), which follows a link: only for names that are known to be none. @throws SystemCallError */
export function changeModeAt(dir: number, name: ByteString, mode: number): void {
  must(fchmodatFn(dir, first(name, 'fchmodat'), mode, 0), 'fchmodat', name);
}

export type FileTime = { readonly seconds: number; readonly nanoseconds: number };

const times = Buffer.alloc(32);

function packTime(time: FileTime, at: number): void {
  times.writeBigInt64LE(BigInt(time.seconds), at);
  times.writeBigInt64LE(BigInt(time.nanoseconds), at + 8);
}

/** Sets access and modification time of `name` itself, or of the descriptor `dir` when the name is empty. @throws SystemCallError */
export function setTimesAt(dir: number, name: ByteString, access: FileTime, modification: FileTime): void {
  packTime(access, 0);
  packTime(modification, 16);
  if (name === '') check(futimensFn(dir, times), 'futimens');
  else must(utimensatFn(dir, first(name, 'utimensat'), times, AT_SYMLINK_NOFOLLOW), 'utimensat', name);
}

export type FileStatus = {
  /** File type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly inode: bigint;
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly modification: FileTime;
  readonly access: FileTime;
  readonly major: number;
  readonly minor: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** Which mount it was reached by. */
  readonly mountId: number;
};

const statBuffer = Buffer.alloc(256);
const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;

/** The status of `name` itself (of `dir` when the name is empty), undefined when there is none. @throws SystemCallError */
export function statusAt(dir: number, name: ByteString): FileStatus | undefined {
  const flags = AT_SYMLINK_NOFOLLOW | (name === '' ? AT_EMPTY_PATH : 0);
  const result = attempt(statxFn(dir, first(name, 'statx'), flags, STATX_BASIC_STATS | STATX_MNT_ID, statBuffer));
  if (result === -constants.errno.ENOENT) return undefined;
  if (result < 0) throw new SystemCallError('statx', -result, displayName(name));
  const time = (at: number): FileTime => ({
    seconds: Number(statBuffer.readBigInt64LE(at)),
    nanoseconds: statBuffer.readUInt32LE(at + 8),
  });
  return {
    links: statBuffer.readUInt32LE(16),
    uid: statBuffer.readUInt32LE(20),
    gid: statBuffer.readUInt32LE(24),
    mode: statBuffer.readUInt16LE(28),
    inode: statBuffer.readBigUInt64LE(32),
    sizeBytes: Number(statBuffer.readBigUInt64LE(40)),
    blocks: Number(statBuffer.readBigUInt64LE(48)),
    access: time(64),
    modification: time(112),
    major: statBuffer.readUInt32LE(128),
    minor: statBuffer.readUInt32LE(132),
    device: `${statBuffer.readUInt32LE(136)}:${statBuffer.readUInt32LE(140)}`,
    mountId: Number(statBuffer.readBigUInt64LE(144)),
  };
}

/** A path by which calls that know no descriptors reach `name` in `dir`, or the directory itself when the name is empty, without walking through links. */
export function pathAt(dir: number, name: ByteString): ByteString {
  if (dir === AT_FDCWD) return name === '' ? '.' : name;
  return `/proc/self/fd/${dir}/${name === '' ? '.' : name}`;
}

/** Writes everything of the file system that `fd` lies on to the disk; may take long. @throws SystemCallError */
export function syncFileSystem(fd: number): void {
  check(syncfsFn(fd), 'syncfs');
}

const SYNC_FILE_RANGE_WRITE = 2;

/** Asks the kernel to begin writing a file's dirty pages, without waiting for them; an error is ignored. */
export function startWriteback(fd: number): void {
  syncRangeFn(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

const GETDENTS64 = process.arch === 'arm64' ? 61 : 217;
const getdentsFn = libc('long syscall(long number, long fd, void *entries, long size)');

/** The names in an open directory (not O_PATH), without `.` and `..`; reads on from its position. @throws SystemCallError */
export function directoryNames(fd: number): ByteString[] {
  const entries = Buffer.allocUnsafe(65536);
  const names: ByteString[] = [];
  for (;;) {
    const length = check(getdentsFn(GETDENTS64, fd, entries, entries.length), 'getdents64');
    if (length === 0) return names;
    for (let at = 0; at < length; at += entries.readUInt16LE(at + 16)) {
      const name = entries.toString('latin1', at + 19, entries.indexOf(0, at + 19));
      if (name !== '.' && name !== '..') names.push(name);
    }
  }
}

export { type ByteString, byteString, displayName } from './byte-string.ts';
export {
  type Attribute,
  attributeAt,
  attributesAt,
  attributesOf,
  trySetAttribute,
  trySetAttributeAt,
} from './file-attributes.ts';
export { copyContents, copyDense, dataRegions } from './file-copy.ts';
export { tryOverlay } from './overlay-probe.ts';
export { spreadSubdirectories } from './spread-directories.ts';
