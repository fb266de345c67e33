import { constants } from 'node:os';
import { invalidParameter, systemError } from '@gantry/errors';
import { file, SystemCallError } from '@gantry/linux';
import type { ByteString, TarEntry } from '../tar/entry.ts';
import { type TarHandler, TarParser } from '../tar/parser.ts';
import { baseOf, cleanEntryName, type LayerPath, parentOf } from '../unpack/entry-path.ts';
import { check, Tree } from '../unpack/tree.ts';
import { decompress } from '../worker/decompress.ts';
import { isCarried, isFaithful, openDirectory, openNode } from './tree-tar.ts';

const { EBUSY, EISDIR, EOPNOTSUPP, EPERM } = constants.errno;
const NEW_FILE = file.O_WRONLY | file.O_CREAT | file.O_EXCL | file.O_NOFOLLOW;
const TYPE_BITS = { character: file.S_IFCHR, block: file.S_IFBLK, fifo: file.S_IFIFO } as const;

export type ExtractOptions = {
  /** Refuse to put a file in the place of a directory, or the other way round. */
  readonly keepKind: boolean;
  /** Owner of everything that is written, instead of what the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** The archive stands for all of the target: its own directory and every attribute are restored, and a part of it is refused. */
  readonly whole?: boolean;
};

/**
 * Extracts an archive, in any compression that we read, into the directory `target` of a root. Links of the container are
 * followed inside its root only, and looked at anew for every member.
 * @throws invalidParameter for names that leave the target, system with dockerd's words for what the disk refuses
 */
export async function extract(
  root: number,
  target: string,
  options: ExtractOptions,
  source: AsyncIterable<Buffer>,
): Promise<void> {
  using extractor = new Extractor(root, cleanEntryName(file.byteString(target)), options);
  const parser = new TarParser(extractor);
  await decompress(source, bytes => parser.push(bytes));
  parser.finish();
  if (options.whole && !parser.complete) {
    throw invalidParameter('unexpected EOF', { hint: 'the archive is empty or cut off' });
  }
  extractor.finish();
}

class Extractor implements TarHandler, Disposable {
  readonly #tree: Tree;
  readonly #target: LayerPath;
  readonly #options: ExtractOptions;
  readonly #directories = new Map<LayerPath, TarEntry>();
  #file: { readonly fd: number; readonly entry: TarEntry } | undefined;
  #top: TarEntry | undefined;

  constructor(root: number, target: LayerPath, options: ExtractOptions) {
    this.#tree = new Tree(root);
    this.#target = target;
    this.#options = options;
  }

  entry(entry: TarEntry): void {
    const path = this.#pathOf(entry.name);
    if (path === this.#target) {
      // The target's own attributes are the archive's business only when it stands for all of it.
      if (this.#options.whole && entry.type === 'directory') this.#top = entry;
      return;
    }
    const base = baseOf(path);
    this.#clear(this.#tree.ensure(parentOf(path)), path, entry);
    // Opened anew: clearing a directory away closes all that the tree has open.
    const parent = this.#tree.ensure(parentOf(path));
    switch (entry.type) {
      case 'directory':
        this.#tree.makeDirectory(parent, base, 0o755);
        this.#decorate(parent, base, entry);
        this.#directories.set(path, entry);
        break;
      case 'file': {
        const fd = check(file.tryOpenAt(parent, base, NEW_FILE, 0o600), 'open', this.#shown(path));
        this.#file = { fd, entry };
        break;
      }
      case 'symlink':
        check(file.trySymlinkAt(entry.linkName, parent, base), 'symlink', this.#shown(path));
        this.#decorate(parent, base, entry);
        break;
      case 'hardLink':
        this.#link(entry, path);
        break;
      default: {
        const mode = TYPE_BITS[entry.type] | entry.mode;
        check(file.tryMakeNodeAt(parent, base, mode, entry.major, entry.minor), 'mknod', this.#shown(path));
        this.#decorate(parent, base, entry);
      }
    }
  }

  data(bytes: Buffer, offset: number): void {
    if (this.#file) file.writeAllAt(this.#file.fd, bytes, offset);
  }

  end(): void {
    const open = this.#file;
    if (!open) return;
    this.#file = undefined;
    const { fd, entry } = open;
    try {
      if (entry.sparse) file.setLength(fd, entry.sizeBytes);
      const { uid, gid } = this.#options.owner ?? entry;
      file.changeOwnerAt(fd, '', uid, gid);
      file.changeMode(fd, entry.mode);
      this.#attributes(entry, (name, value) => file.trySetAttribute(fd, name, value));
      file.setTimesAt(fd, '', entry.access ?? entry.modification, entry.modification);
    } finally {
      file.closeDescriptor(fd);
    }
  }

  /** Times of directories, which everything that was put into them has changed. */
  finish(): void {
    for (const [path, { modification, access }] of this.#directories) {
      const fd = this.#tree.find(path);
      if (fd !== undefined) file.setTimesAt(fd, '.', access ?? modification, modification);
    }
    const top = this.#top;
    if (!top) return;
    const fd = this.#tree.ensure(this.#target);
    file.changeOwnerAt(fd, '', top.uid, top.gid);
    file.changeModeAt(file.AT_FDCWD, `/proc/self/fd/${fd}`, top.mode);
    this.#attributes(top, (name, value) => file.trySetAttributeAt(fd, '', name, value));
    file.setTimesAt(fd, '.', top.access ?? top.modification, top.modification);
  }

  #pathOf(name: ByteString): LayerPath {
    let inside: LayerPath;
    try {
      inside = cleanEntryName(name);
    } catch {
      const shown = JSON.stringify(file.displayName(name));
      throw invalidParameter(`${shown} is outside of ${JSON.stringify(this.#shown(this.#target))}`);
    }
    if (this.#target === '' || inside === '') return this.#target + inside;
    return `${this.#target}/${inside}`;
  }

  /** Makes room: what is there goes, but a directory for a directory. */
  #clear(parent: number, path: LayerPath, entry: TarEntry): void {
    const base = baseOf(path);
    const there = file.statusAt(parent, base);
    if (!there) return;
    const isDirectory = (there.mode & file.S_IFMT) === file.S_IFDIR;
    const becomes = entry.type === 'directory';
    if (isDirectory && becomes) return;
    if (this.#options.keepKind && isDirectory !== becomes) {
      const [was, will] = isDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
      const [at, into] = [path, this.#target].map(name => JSON.stringify(this.#shown(name)));
      throw systemError(`cannot overwrite ${was} ${at} with ${will} ${into}`);
    }
    const mount = file.statusAt(parent, '')?.mountId;
    if (mount !== undefined) removeOnMount(parent, base, mount, this.#shown(path));
    if (isDirectory) this.#tree.forget();
  }

  #link(entry: TarEntry, path: LayerPath): void {
    const target = this.#pathOf(entry.linkName);
    const invalid = (): Error =>
      invalidParameter(`invalid hardlink ${JSON.stringify(this.#shown(target))} -> ${JSON.stringify(entry.linkName)}`);
    if (target === path) throw invalid();
    if (this.#tree.find(parentOf(target)) === undefined) throw invalid();
    this.#tree.ensure(parentOf(path));
    const from = this.#tree.find(parentOf(target));
    // Looked up last: finding `from` may have closed it, but this cannot close `from`, which is newer.
    const to = this.#tree.ensure(parentOf(path));
    if (from === undefined) throw invalid();
    check(file.tryLinkAt(from, baseOf(target), to, baseOf(path)), 'link', this.#shown(target));
  }

  #decorate(parent: number, base: ByteString, entry: TarEntry): void {
    const { uid, gid } = this.#options.owner ?? entry;
    const node = openNode(parent, base);
    if (!node) return;
    try {
      file.changeOwnerAt(node.fd, '', uid, gid);
      if (entry.type !== 'symlink') {
        // By the handle: a name may have become a link meanwhile, and chmod would follow it.
        file.changeModeAt(file.AT_FDCWD, `/proc/self/fd/${node.fd}`, entry.mode);
        this.#attributes(entry, (name, value) => file.trySetAttributeAt(parent, base, name, value));
      }
      if (entry.type !== 'directory')
        file.setTimesAt(parent, base, entry.access ?? entry.modification, entry.modification);
    } finally {
      file.closeDescriptor(node.fd);
    }
  }

  #attributes(entry: TarEntry, set: (name: ByteString, value: Buffer) => number): void {
    for (const [name, value] of entry.attributes) {
      if (!(this.#options.whole ? isFaithful : isCarried)(name)) continue;
      const result = set(name, Buffer.from(value, 'latin1'));
      if (result !== -EOPNOTSUPP && result !== -EPERM) check(result, 'lsetxattr', name);
    }
  }

  #shown(path: LayerPath): string {
    return `/${file.displayName(path)}`;
  }

  [Symbol.dispose](): void {
    if (this.#file) file.closeDescriptor(this.#file.fd);
    this.#file = undefined;
    this.#tree[Symbol.dispose]();
  }
}

/**
 * Removes a name and what is below it. What something is mounted over stays: by a descriptor from another namespace the kernel
 * would take the container's mount away, and a volume's files with it.
 * @throws SystemCallError EBUSY
 */
function removeOnMount(parent: number, base: ByteString, mount: number, shown: string): void {
  const node = openNode(parent, base);
  if (!node) return;
  try {
    if (node.status.mountId !== mount) throw new SystemCallError('unlinkat', EBUSY, shown);
    if ((node.status.mode & file.S_IFMT) === file.S_IFDIR) {
      const listed = openDirectory(node.fd);
      try {
        for (const name of file.directoryNames(listed)) {
          removeOnMount(listed, name, mount, `${shown}/${file.displayName(name)}`);
        }
      } finally {
        file.closeDescriptor(listed);
      }
      check(file.tryUnlinkAt(parent, base, file.AT_REMOVEDIR), 'unlinkat', shown);
    } else {
      const result = file.tryUnlinkAt(parent, base);
      // It has become a directory meanwhile: the one who did that gets an error, not its content removed.
      check(result === -EISDIR ? -EBUSY : result, 'unlinkat', shown);
    }
  } finally {
    file.closeDescriptor(node.fd);
  }
}
