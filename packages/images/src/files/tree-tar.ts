import { constants } from 'node:os';
import { file, SystemCallError } from '@gantry/linux';
import { BLOCK, type ByteString, type EntryType, type SparseRegion } from '../tar/entry.ts';
import { type PlainMember, paddingAfter, plainHeader } from '../tar/writer.ts';

const { ENOENT, ENOTDIR, ELOOP } = constants.errno;
const PIECE = 256 * 1024;
const HANDLE = file.O_PATH | file.O_NOFOLLOW;

const TYPES: ReadonlyMap<number, EntryType> = new Map([
  [file.S_IFREG, 'file'],
  [file.S_IFDIR, 'directory'],
  [file.S_IFLNK, 'symlink'],
  [file.S_IFCHR, 'character'],
  [file.S_IFBLK, 'block'],
  [file.S_IFIFO, 'fifo'],
]);

/** Something that is about to be written into an archive. `base` is its name in the directory `dir`. */
export type Node = {
  readonly dir: number;
  readonly base: ByteString;
  /** O_PATH, of the thing itself. */
  readonly fd: number;
  readonly status: file.FileStatus;
};

/** Opens what is at `base` without following it; undefined when it is gone. The caller closes `fd`. */
export function openNode(dir: number, base: ByteString): Node | undefined {
  const fd = file.tryOpenAt(dir, base, HANDLE);
  if (fd === -ENOENT) return undefined;
  if (fd < 0) throw new SystemCallError('open', -fd, file.displayName(base));
  const status = file.statusAt(fd, '');
  if (status) return { dir, base, fd, status };
  file.closeDescriptor(fd);
  return undefined;
}

/** The names in a directory in the order of their bytes. */
export function sortedNames(fd: number): ByteString[] {
  return file.directoryNames(fd).sort((a, b) => (a < b ? -1 : 1));
}

/** Opens a directory's handle for reading its names. */
export function openDirectory(fd: number): number {
  return file.openAt(fd, '.', file.O_RDONLY | file.O_DIRECTORY);
}

/**
 * Writes what is on disk as members of an archive: owners, modes, times, links, devices and extended attributes. Everything is
 * opened by descriptor and never through a link, so a tree that changes meanwhile gives an older or newer member, never one
 * from elsewhere. A file that shrinks is filled with zeros, one that grows is cut. Synchronous, for worker threads.
 */
export class TreeTar {
  /** For an archive that stands in for the tree itself: holes, times of access, lists of access rights, every attribute. */
  readonly #faithful: boolean;

  constructor({ faithful = false }: { readonly faithful?: boolean } = {}) {
    this.#faithful = faithful;
  }

  /** Names of files with several links that are in the archive already, by file system and inode. */
  readonly #links = new Map<string, ByteString>();
  readonly #scratch = Buffer.allocUnsafeSlow(PIECE);

  /** One member under `name`, without what is below it. A piece is valid until the next. */
  *member(node: Node, name: ByteString, withContent = true): Generator<Buffer> {
    const { fd, status } = node;
    const type = TYPES.get(status.mode & file.S_IFMT);
    if (type === undefined) return; // a socket means nothing without the process that listens on it
    if (type !== 'file' || !withContent || status.sizeBytes === 0 || this.#linkName(status) !== undefined) {
      yield* this.#member(node, name, type);
      return;
    }
    const content = openHandle(fd);
    try {
      yield* this.#member(node, name, type, content);
    } finally {
      file.closeDescriptor(content);
    }
  }

  /** The name under which a file with several links is in the archive already. */
  #linkName({ links, device, inode }: file.FileStatus): ByteString | undefined {
    return links > 1 ? this.#links.get(`${device}/${inode}`) : undefined;
  }

  /** @param content a file that is open for reading; without it no bytes follow */
  *#member({ dir, base, fd, status }: Node, name: ByteString, type: EntryType, content?: number): Generator<Buffer> {
    const pax = new Map<ByteString, ByteString>();
    const carried = this.#faithful ? isFaithful : isCarried;
    for (const [attribute, value] of attributesOf(dir, base, fd, type, content)) {
      if (carried(attribute)) pax.set(`SCHILY.xattr.${attribute}`, value.toString('latin1'));
    }
    const { seconds, nanoseconds } = status.modification;
    if (nanoseconds !== 0) pax.set('mtime', timeText(status.modification));
    if (this.#faithful) pax.set('atime', timeText(status.access));
    const common = {
      mode: status.mode & 0o7777,
      uid: status.uid,
      gid: status.gid,
      mtime: nanoseconds === 0 ? seconds : Math.max(seconds, 0),
      pax,
    };
    if (type === 'directory') {
      yield plainHeader({ ...common, type, name: name.endsWith('/') ? name : `${name}/`, sizeBytes: 0 });
      return;
    }
    const linkName = this.#linkName(status);
    if (linkName !== undefined) {
      yield plainHeader({ ...common, pax: withoutAttributes(pax), type: 'hardLink', name, linkName, sizeBytes: 0 });
      return;
    }
    if (status.links > 1) this.#links.set(`${status.device}/${status.inode}`, name);
    if (type === 'file') {
      const sizeBytes = content === undefined ? 0 : status.sizeBytes;
      if (content !== undefined && this.#faithful && status.blocks * BLOCK < sizeBytes) {
        yield* this.#sparse(content, name, sizeBytes, common);
        return;
      }
      yield plainHeader({ ...common, type, name, sizeBytes });
      if (content !== undefined) yield* this.#content(content, [{ offset: 0, length: sizeBytes }]);
    } else if (type === 'symlink') {
      yield plainHeader({ ...common, type, name, linkName: file.readLinkAt(fd, ''), sizeBytes: 0 });
    } else {
      const { major, minor } = status;
      yield plainHeader({ ...common, type, name, sizeBytes: 0, ...(type === 'fifo' ? {} : { major, minor }) });
    }
  }

  /** A file with holes, in GNU's PAX format 1.0: where its data lies comes before the data. @see GNU tar manual, "Sparse Formats" */
  *#sparse(
    fd: number,
    name: ByteString,
    sizeBytes: number,
    common: Omit<PlainMember, 'name' | 'type' | 'sizeBytes'>,
  ): Generator<Buffer> {
    const regions = file.dataRegions(fd, sizeBytes);
    const numbers = [regions.length, ...regions.flatMap(({ offset, length }) => [offset, length])];
    const text = Buffer.from(`${numbers.join('\n')}\n`);
    const map = Buffer.concat([text, paddingAfter(text.length)]);
    const carried = regions.reduce((sum, { length }) => sum + length, map.length);
    const pax = new Map(common.pax);
    pax.set('GNU.sparse.major', '1');
    pax.set('GNU.sparse.minor', '0');
    pax.set('GNU.sparse.name', name);
    pax.set('GNU.sparse.realsize', String(sizeBytes));
    yield plainHeader({ ...common, pax, type: 'file', name, sizeBytes: carried });
    yield map;
    yield* this.#content(fd, regions);
  }

  *#content(fd: number, regions: readonly SparseRegion[]): Generator<Buffer> {
    let total = 0;
    for (const { offset, length } of regions) {
      for (let done = 0; done < length; ) {
        const piece = this.#scratch.subarray(0, Math.min(PIECE, length - done));
        const n = file.readAt(fd, piece, offset + done);
        if (n === 0) piece.fill(0);
        done += n === 0 ? piece.length : n;
        yield n === 0 ? piece : piece.subarray(0, n);
      }
      total += length;
    }
    if (total % BLOCK !== 0) yield paddingAfter(total);
  }
}

/** By the handle: what is opened is the file that was looked at, not a device that took its name. */
function openHandle(handle: number): number {
  return file.openAt(file.AT_FDCWD, `/proc/self/fd/${handle}`, file.O_RDONLY | file.O_NONBLOCK);
}

/** Which mounts a walk goes into: all but those that hold no files of a person, or none. */
export type Crossing = (directory: number, status: file.FileStatus) => boolean;

/** Writes a node and all below it. `name` is its name in the archive; empty for a top that is not a member itself. */
export function* walkTree(tar: TreeTar, node: Node, name: ByteString, enters: Crossing): Generator<Buffer> {
  if ((node.status.mode & file.S_IFMT) !== file.S_IFDIR) {
    yield* tar.member(node, name);
    return;
  }
  if (name !== '') yield* tar.member(node, name);
  const listed = openDirectory(node.fd);
  try {
    const prefix = name === '' || name.endsWith('/') ? name : `${name}/`;
    for (const base of sortedNames(listed)) {
      const child = openNode(listed, base);
      if (!child) continue;
      try {
        const isElsewhere = child.status.mountId !== node.status.mountId;
        if (isElsewhere && !enters(child.fd, child.status)) yield* tar.member(child, prefix + base, false);
        else yield* walkTree(tar, child, prefix + base, enters);
      } catch (error) {
        // Removed, or replaced by another kind of thing, since its directory was listed.
        if (!(error instanceof SystemCallError) || ![ENOENT, ENOTDIR, ELOOP].includes(error.errno)) throw error;
      } finally {
        file.closeDescriptor(child.fd);
      }
    }
  } finally {
    file.closeDescriptor(listed);
  }
}

/** By an open file where there is one; by its name the way is longer. */
function attributesOf(
  dir: number,
  base: ByteString,
  fd: number,
  type: EntryType,
  content: number | undefined,
): file.Attribute[] {
  if (type === 'symlink') return [];
  if (content !== undefined) return file.attributesOf(content);
  return type === 'directory' ? file.attributesAt(fd, '') : file.attributesAt(dir, base);
}

/**
 * Tells whether an extended attribute belongs into an archive: file capabilities and what users set; overlayfs's own marks and
 * labels of this machine stay here.
 */
export function isCarried(attribute: ByteString): boolean {
  if (attribute.startsWith('trusted.overlay.') || attribute.startsWith('user.overlay.')) return false;
  if (attribute.includes('=')) return false; // PAX has no way to write it
  return attribute === 'security.capability' || attribute.startsWith('user.') || attribute.startsWith('trusted.');
}

const ACCESS_LISTS = ['system.posix_acl_access', 'system.posix_acl_default'];

/** The same for an archive of files that are nobody's image: with overlayfs's marks, which may be an engine's inside. */
export function isFaithful(attribute: ByteString): boolean {
  if (attribute.includes('=')) return false;
  return isCarried(attribute) || ACCESS_LISTS.includes(attribute) || /^(trusted|user)\.overlay\./.test(attribute);
}

function withoutAttributes(pax: ReadonlyMap<ByteString, ByteString>): Map<ByteString, ByteString> {
  return new Map([...pax].filter(([key]) => key === 'mtime'));
}

function timeText({ seconds, nanoseconds }: file.FileTime): string {
  if (seconds >= 0) return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
  const whole = -seconds - 1;
  return `-${whole}.${String(1e9 - nanoseconds).padStart(9, '0')}`;
}
