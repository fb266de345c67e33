import { constants } from 'node:os';
import { file, SystemCallError } from '@gantry/linux';
import type { ByteString } from '../tar/entry.ts';
import { baseOf, type LayerPath, parentOf } from './entry-path.ts';

const DIRECTORY = file.O_PATH | file.O_DIRECTORY;
const INSIDE = file.RESOLVE_IN_ROOT | file.RESOLVE_NO_MAGICLINKS;
const OPEN_DIRECTORIES = 128;
const { ENOENT, EEXIST, ENOTDIR, ENOTEMPTY, EISDIR, EPERM } = constants.errno;

export const OVERLAY_OPAQUE = 'trusted.overlay.opaque';
const YES = Buffer.from('y');

/**
 * The directory that a layer is unpacked into. Every path is resolved by the kernel as if the directory were the root
 * (openat2 RESOLVE_IN_ROOT), so no link and no `..` in it leads out. Open directories are kept, up to a bound.
 */
export class Tree implements Disposable {
  readonly root: number;
  readonly #open = new Map<LayerPath, number>();

  /** @param root a path, or the descriptor of a directory, which stays the caller's */
  constructor(root: string | number) {
    this.root =
      typeof root === 'number'
        ? file.openAt(root, '.', DIRECTORY)
        : file.openAt(file.AT_FDCWD, file.byteString(root), DIRECTORY | file.O_NOFOLLOW);
  }

  /** A descriptor (O_PATH) of a directory, valid until the next call; undefined when there is none. */
  find(path: LayerPath): number | undefined {
    if (path === '') return this.root;
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    const fd = file.tryOpenResolved(this.root, path, DIRECTORY, INSIDE);
    if (fd === -ENOENT || fd === -ENOTDIR) return undefined;
    if (fd < 0) throw new SystemCallError('openat2', -fd, file.displayName(path));
    this.#keep(path, fd);
    return fd;
  }

  /** As {@link find}; makes what is missing, mode 0755. A whiteout of this layer in the way becomes an opaque directory. */
  ensure(path: LayerPath): number {
    const found = this.find(path);
    if (found !== undefined) return found;
    const parent = this.ensure(parentOf(path));
    this.makeDirectory(parent, baseOf(path), 0o755);
    const fd = this.find(path);
    if (fd === undefined) throw new SystemCallError('mkdirat', ENOTDIR, file.displayName(path));
    return fd;
  }

  /** Makes a directory where nothing, a directory or a whiteout is. Returns false when something else is in the way. */
  makeDirectory(parent: number, base: ByteString, mode: number): boolean {
    const result = file.tryMakeDirectoryAt(parent, base, mode);
    if (result === 0) return true;
    if (result !== -EEXIST) throw new SystemCallError('mkdirat', -result, file.displayName(base));
    const status = file.statusAt(parent, base);
    if (status === undefined || (status.mode & file.S_IFMT) === file.S_IFDIR) return true;
    if (!isWhiteout(status)) return false;
    unlink(parent, base, 0);
    check(file.tryMakeDirectoryAt(parent, base, mode), 'mkdirat', base);
    this.setOpaque(parent, base);
    return true;
  }

  setOpaque(parent: number, base: ByteString): void {
    check(file.trySetAttributeAt(parent, base, OVERLAY_OPAQUE, YES), 'lsetxattr', base);
  }

  /** Forgets every open directory: needed when one was moved or replaced. */
  forget(): void {
    for (const fd of this.#open.values()) file.closeDescriptor(fd);
    this.#open.clear();
  }

  #keep(path: LayerPath, fd: number): void {
    if (this.#open.size >= OPEN_DIRECTORIES) {
      // The ones met first are parents more often than not, but any choice is right.
      const [oldest] = this.#open;
      if (oldest) {
        file.closeDescriptor(oldest[1]);
        this.#open.delete(oldest[0]);
      }
    }
    this.#open.set(path, fd);
  }

  [Symbol.dispose](): void {
    this.forget();
    file.closeDescriptor(this.root);
  }
}

/** Tells whether this is overlayfs's whiteout: a character device 0:0. */
export function isWhiteout(status: file.FileStatus): boolean {
  return (status.mode & file.S_IFMT) === file.S_IFCHR && status.major === 0 && status.minor === 0;
}

/** Removes a name and, when it is a directory, all below it; never follows a link. */
export function removeTree(parent: number, base: ByteString): void {
  const result = file.tryUnlinkAt(parent, base);
  if (result === 0 || result === -ENOENT) return;
  if (result !== -EISDIR && result !== -EPERM) throw new SystemCallError('unlinkat', -result, file.displayName(base));
  const fd = file.openAt(parent, base, file.O_RDONLY | file.O_DIRECTORY | file.O_NOFOLLOW);
  try {
    for (const name of listDirectory(fd)) removeTree(fd, name);
  } finally {
    file.closeDescriptor(fd);
  }
  const removed = file.tryUnlinkAt(parent, base, file.AT_REMOVEDIR);
  if (removed !== 0 && removed !== -ENOTEMPTY) check(removed, 'unlinkat', base);
}

/** The names in a directory, as byte strings. */
export function listDirectory(fd: number): ByteString[] {
  return file.directoryNames(fd);
}

function unlink(parent: number, base: ByteString, flags: number): void {
  check(file.tryUnlinkAt(parent, base, flags), 'unlinkat', base);
}

/** @throws SystemCallError when `result` is a negated errno */
export function check(result: number, call: string, name: ByteString): number {
  if (result < 0) throw new SystemCallError(call, -result, file.displayName(name));
  return result;
}
