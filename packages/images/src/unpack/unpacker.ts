import { constants } from 'node:os';
import { invalidParameter, systemError } from '@gantry/errors';
import { file } from '@gantry/linux';
import type { ByteString, TarEntry } from '../tar/entry.ts';
import type { TarHandler } from '../tar/parser.ts';
import { baseOf, cleanEntryName, type LayerPath, meaningOf, parentOf } from './entry-path.ts';
import { KeptFiles } from './kept-files.ts';
import { check, listDirectory, OVERLAY_OPAQUE, removeTree, Tree } from './tree.ts';

const { EEXIST, EOPNOTSUPP, EPERM } = constants.errno;

/** How layers lie on disk: `difference` with overlayfs's own whiteouts, `whole` with the layers below merged in. */
export type LayerForm = 'difference' | 'whole';

/** Bounds against archives that grow without end. */
export type UnpackLimits = { readonly maxEntries: number; readonly maxBytes: number };

const TYPE_BITS = { character: file.S_IFCHR, block: file.S_IFBLK, fifo: file.S_IFIFO } as const;
const WRITEBACK_BYTES = 4 * 1024 * 1024;
const NEW_FILE = file.O_WRONLY | file.O_CREAT | file.O_EXCL | file.O_NOFOLLOW;

type OpenFile = { readonly fd: number; readonly entry: TarEntry; position: number; readonly plain: boolean };

/**
 * Writes the members of a layer's archive below a directory, with owners, modes, times, links, devices and extended
 * attributes as recorded. Nothing is ever written outside of that directory (see Tree). All calls are synchronous:
 * for worker threads only.
 */
export class Unpacker implements TarHandler, Disposable {
  /** Bytes of the layer as `docker images` counts them: files once, and the targets of symbolic links. */
  sizeBytes = 0;
  entries = 0;
  readonly #tree: Tree;
  readonly #form: LayerForm;
  readonly #limits: UnpackLimits;
  readonly #kept: KeptFiles;
  readonly #directoryTimes = new Map<LayerPath, TarEntry>();
  /** What this layer itself has made; only a whole tree needs to tell it from what was below. */
  readonly #own = new Set<LayerPath>();
  readonly #umask = process.umask();
  readonly #isRoot = process.geteuid?.() === 0;
  #written = 0;
  #file: OpenFile | undefined;

  /** @param keptPath where content goes that a later member of the same archive replaces */
  constructor(root: string, keptPath: string, form: LayerForm, limits: UnpackLimits) {
    this.#tree = new Tree(root);
    this.#form = form;
    this.#limits = limits;
    this.#kept = new KeptFiles(keptPath);
  }

  entry(entry: TarEntry): void {
    this.entries += 1;
    if (this.entries > this.#limits.maxEntries) {
      throw invalidParameter(`the layer has more than ${this.#limits.maxEntries} entries`);
    }
    const path = cleanEntryName(entry.name);
    if (path === '') {
      if (entry.type !== 'directory') throw invalidParameter(`the archive's root is a ${entry.type}`);
      this.#finishDirectory(path, this.#tree.root, '', entry);
      return;
    }
    const base = baseOf(path);
    const meaning = meaningOf(base);
    if (meaning.kind === 'plain') this.#make(entry, path, base);
    else {
      // The bytes of a marker mean nothing, but the archive must be rebuilt with them.
      if (entry.sizeBytes > 0) this.#file = this.#open(this.#kept.create(path, this.entries + 1), entry, false);
      if (meaning.kind === 'opaque') this.#opaque(parentOf(path));
      else if (meaning.kind === 'whiteout') this.#whiteout(parentOf(path), meaning.hidden);
    }
  }

  data(bytes: Buffer, offset: number): void {
    const open = this.#file;
    if (!open) return;
    this.#written += bytes.length;
    if (this.#written > this.#limits.maxBytes) {
      throw systemError(`write /${open.entry.name}: no space left on device`, {
        hint: 'the layer would fill the disk: free some space, or check where the image comes from',
      });
    }
    if (offset === open.position) file.writeAll(open.fd, bytes);
    else file.writeAllAt(open.fd, bytes, offset);
    if (offset === open.position) open.position += bytes.length;
  }

  end(): void {
    const open = this.#file;
    if (!open) return;
    this.#file = undefined;
    try {
      const { entry, fd } = open;
      if (entry.sparse) file.setLength(fd, entry.sizeBytes);
      if (!open.plain) return;
      this.#decorate(fd, '', entry);
      if (entry.sizeBytes >= WRITEBACK_BYTES) file.startWriteback(fd);
    } finally {
      file.closeDescriptor(open.fd);
    }
  }

  /** Sets what had to wait until everything was in place. */
  finish(): void {
    for (const [path, { modification, access }] of this.#directoryTimes) {
      const fd = this.#tree.find(path);
      if (fd !== undefined) file.setTimesAt(fd, '.', access ?? modification, modification);
    }
    this.#kept.finish();
  }

  #make(entry: TarEntry, path: LayerPath, base: ByteString): void {
    const directory = parentOf(path);
    // Asked for at each use: moving something aside makes the tree forget its open directories.
    const parent = (): number => this.#tree.ensure(directory);
    switch (entry.type) {
      case 'directory': {
        const make = (): number => (this.#tree.makeDirectory(parent(), base, 0o755) ? 0 : -EEXIST);
        this.#replacing(path, 'mkdirat', make);
        this.#finishDirectory(path, parent(), base, entry);
        break;
      }
      case 'file': {
        const mode = this.#isRoot && (entry.mode & (this.#umask | 0o7000)) === 0 ? entry.mode : 0o600;
        const fd = this.#replacing(path, 'openat', () => file.tryOpenAt(parent(), base, NEW_FILE, mode));
        this.sizeBytes += entry.sizeBytes;
        this.#file = this.#open(fd, entry, true);
        break;
      }
      case 'symlink':
        this.#replacing(path, 'symlinkat', () => file.trySymlinkAt(entry.linkName, parent(), base));
        this.sizeBytes += entry.linkName.length;
        this.#decorate(parent(), base, entry);
        break;
      case 'hardLink':
        this.#link(entry, path, base);
        break;
      default: {
        const mode = TYPE_BITS[entry.type] | entry.mode;
        this.#replacing(path, 'mknodat', () => file.tryMakeNodeAt(parent(), base, mode, entry.major, entry.minor));
        this.#decorate(parent(), base, entry);
      }
    }
    if (this.#form === 'whole') this.#own.add(path);
  }

  #open(fd: number, entry: TarEntry, plain: boolean): OpenFile {
    return { fd, entry, position: 0, plain };
  }

  #link(entry: TarEntry, path: LayerPath, base: ByteString): void {
    const target = cleanEntryName(entry.linkName);
    if (target === path) return;
    const invalid = (): Error => {
      const [name, link] = [entry.name, entry.linkName].map(text => JSON.stringify(file.displayName(text)));
      return invalidParameter(`invalid hardlink ${name} -> ${link}`);
    };
    if (target === '') throw invalid();
    this.#replacing(path, 'linkat', () => {
      this.#tree.ensure(parentOf(path));
      const from = this.#tree.find(parentOf(target));
      if (from === undefined || !file.statusAt(from, baseOf(target))) throw invalid();
      // Looked up last: finding `from` may have closed it, but this cannot close `from`, which is newer.
      return file.tryLinkAt(from, baseOf(target), this.#tree.ensure(parentOf(path)), base);
    });
  }

  /** Runs `make`; when something is in the way, moves that aside and runs it once more. */
  #replacing(path: LayerPath, call: string, make: () => number): number {
    const result = make();
    if (result !== -EEXIST) return check(result, call, path);
    this.#displace(path);
    return check(make(), call, path);
  }

  #displace(path: LayerPath): void {
    const parent = this.#tree.ensure(parentOf(path));
    const base = baseOf(path);
    const status = file.statusAt(parent, base);
    if (!status) return;
    const type = status.mode & file.S_IFMT;
    if (type === file.S_IFREG && status.links === 1) this.sizeBytes -= status.sizeBytes;
    if (type === file.S_IFLNK) this.sizeBytes -= status.sizeBytes;
    const own = this.#form === 'difference' || this.#own.has(path) || this.#hasOwnBelow(path);
    if (own && (type === file.S_IFDIR || type === file.S_IFREG)) this.#kept.keep(parent, base, path, this.entries);
    else removeTree(parent, base);
    for (const known of this.#directoryTimes.keys()) {
      if (known === path || known.startsWith(`${path}/`)) this.#directoryTimes.delete(known);
    }
    this.#tree.forget();
  }

  #finishDirectory(path: LayerPath, parent: number, base: ByteString, entry: TarEntry): void {
    this.#decorate(parent, base, entry);
    this.#directoryTimes.set(path, entry);
  }

  /** Owner, mode, attributes and times; `base` empty means the descriptor itself. */
  #decorate(dir: number, base: ByteString, entry: TarEntry): void {
    const isFile = entry.type === 'file';
    if (entry.uid !== 0 || entry.gid !== 0 || entry.type === 'directory') {
      if (this.#isRoot) file.changeOwnerAt(dir, base, entry.uid, entry.gid);
    }
    if (entry.type !== 'symlink') {
      if (!isFile) file.changeModeAt(dir, base === '' ? '.' : base, entry.mode);
      else if (!this.#isRoot || (entry.mode & (this.#umask | 0o7000)) !== 0) file.changeMode(dir, entry.mode);
    }
    for (const [name, value] of entry.attributes) this.#setAttribute(dir, base, isFile, name, value);
    if (entry.type !== 'directory') file.setTimesAt(dir, base, entry.access ?? entry.modification, entry.modification);
  }

  #setAttribute(dir: number, base: ByteString, isFile: boolean, name: ByteString, value: ByteString): void {
    // These would speak to overlayfs in the layer's name: redirects, opaque marks, ids of other files.
    if (name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.')) return;
    const bytes = Buffer.from(value, 'latin1');
    const result = isFile ? file.trySetAttribute(dir, name, bytes) : file.trySetAttributeAt(dir, base, name, bytes);
    if (result !== -EOPNOTSUPP && result !== -EPERM) check(result, 'setxattr', name);
  }

  #whiteout(directory: LayerPath, hidden: ByteString): void {
    const path = directory === '' ? hidden : `${directory}/${hidden}`;
    if (this.#form === 'whole') {
      const parent = this.#tree.find(directory);
      if (parent !== undefined && !this.#own.has(path)) {
        this.#tree.forget();
        const again = this.#tree.find(directory);
        if (again !== undefined) removeTree(again, hidden);
      }
      return;
    }
    const parent = this.#tree.ensure(directory);
    const status = file.statusAt(parent, hidden);
    // A whiteout hides what lies below this layer, not what the layer itself has.
    if (!status) check(file.tryMakeNodeAt(parent, hidden, file.S_IFCHR, 0, 0), 'mknodat', path);
    else if ((status.mode & file.S_IFMT) === file.S_IFDIR) this.#tree.setOpaque(parent, hidden);
  }

  #opaque(directory: LayerPath): void {
    const fd = this.#tree.ensure(directory);
    if (this.#form === 'difference') {
      // Overlayfs reads the mark of a layer's root too.
      check(file.trySetAttributeAt(fd, '.', OVERLAY_OPAQUE, Buffer.from('y')), 'lsetxattr', directory);
    } else this.#clear(directory);
  }

  /** Removes from a whole tree's directory what this layer did not put there. */
  #clear(directory: LayerPath): void {
    this.#tree.forget();
    const parent = this.#tree.find(directory);
    if (parent === undefined) return;
    const fd = file.openAt(parent, '.', file.O_RDONLY | file.O_DIRECTORY);
    const names = listDirectory(fd);
    for (const name of names) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (!this.#own.has(path) && !this.#hasOwnBelow(path)) removeTree(fd, name);
      else if (this.#isDirectory(fd, name)) this.#clear(path);
    }
    file.closeDescriptor(fd);
    this.#tree.forget();
  }

  #hasOwnBelow(path: LayerPath): boolean {
    for (const own of this.#own) if (own.startsWith(`${path}/`)) return true;
    return false;
  }

  #isDirectory(dir: number, name: ByteString): boolean {
    return ((file.statusAt(dir, name)?.mode ?? 0) & file.S_IFMT) === file.S_IFDIR;
  }

  [Symbol.dispose](): void {
    if (this.#file) file.closeDescriptor(this.#file.fd);
    this.#file = undefined;
    this.#tree[Symbol.dispose]();
    this.#kept[Symbol.dispose]();
  }
}
