import { systemError } from '@gantry/errors';
import { file } from '@gantry/linux';
import type { ByteString } from '../tar/entry.ts';
import { endOfArchive, plainHeader } from '../tar/writer.ts';
import { isWhiteout, OVERLAY_OPAQUE } from '../unpack/tree.ts';
import type { LayerForm } from '../unpack/unpacker.ts';
import { type Node, openDirectory, openNode, sortedNames, TreeTar } from './tree-tar.ts';

/** What `docker diff` shows of one path. */
export type Change = { readonly kind: 'modified' | 'added' | 'deleted'; readonly path: string };

/** A writable layer beside what lies below it. */
export type Difference = {
  readonly upper: string;
  /** Trees of the layers below, top first; for a driver of whole trees only the next one. */
  readonly lower: readonly string[];
  readonly form: LayerForm;
  /** Paths that the engine itself makes in every container, without a leading slash: mount points and the like. */
  readonly own: readonly string[];
};

const isDirectory = (status: file.FileStatus | undefined): boolean =>
  status !== undefined && (status.mode & file.S_IFMT) === file.S_IFDIR;

/** Visits what is in the upper tree in the order of paths. */
type Visitor = {
  /** `below` is what the layers below have there. Returns false to leave out what is inside a directory. */
  enter(node: Node, path: ByteString, below: file.FileStatus | undefined): Generator<Buffer>;
  deleted(path: ByteString): Generator<Buffer>;
  /** Everything inside a directory was visited. */
  leave(path: ByteString): void;
};

class Walk {
  readonly #own: ReadonlySet<string>;
  readonly #form: LayerForm;
  readonly #visitor: Visitor;

  constructor({ own, form }: Difference, visitor: Visitor) {
    this.#own = new Set(own.map(file.byteString));
    this.#form = form;
    this.#visitor = visitor;
  }

  /** @param lower open directories that merge to what lies below, top first */
  *directory(handle: number, lower: readonly number[], path: ByteString): Generator<Buffer> {
    const listed = openDirectory(handle);
    try {
      const names = sortedNames(listed);
      const hides = this.#form === 'whole' || isOpaque(handle);
      const gone = hides ? lowerNames(lower).filter(name => !names.includes(name)) : [];
      for (const base of [...names, ...gone].sort((a, b) => (a < b ? -1 : 1))) {
        const at = path === '' ? base : `${path}/${base}`;
        const below = lookUp(lower, base);
        try {
          if (below.status === undefined && this.#own.has(at) && !this.#isUsed(listed, base, at)) continue;
          const node = openNode(listed, base);
          if (!node || isWhiteout(node.status)) {
            if (node) file.closeDescriptor(node.fd);
            if (below.status !== undefined) yield* this.#visitor.deleted(at);
            continue;
          }
          try {
            yield* this.#visitor.enter(node, at, below.status);
            if (!isDirectory(node.status)) continue;
            refuseRedirect(node.fd, at);
            yield* this.directory(node.fd, below.directories, at);
            this.#visitor.leave(at);
          } finally {
            file.closeDescriptor(node.fd);
          }
        } finally {
          for (const fd of below.directories) file.closeDescriptor(fd);
        }
      }
    } finally {
      file.closeDescriptor(listed);
    }
  }

  /** A mount point that somebody has put something into is theirs. */
  #isUsed(dir: number, base: ByteString, path: ByteString): boolean {
    const node = openNode(dir, base);
    if (!node) return false;
    try {
      if (!isDirectory(node.status)) {
        return (node.status.mode & file.S_IFMT) === file.S_IFREG && node.status.sizeBytes > 0;
      }
      const listed = openDirectory(node.fd);
      try {
        return file.directoryNames(listed).some(name => !this.#own.has(`${path}/${name}`));
      } finally {
        file.closeDescriptor(listed);
      }
    } finally {
      file.closeDescriptor(node.fd);
    }
  }
}

/** What a stack of directories shows under a name. The caller closes the directories. */
function lookUp(
  lower: readonly number[],
  base: ByteString,
): { readonly status: file.FileStatus | undefined; readonly directories: readonly number[] } {
  let status: file.FileStatus | undefined;
  const directories: number[] = [];
  for (const dir of lower) {
    const node = openNode(dir, base);
    if (!node) continue;
    const isBelow = isDirectory(node.status);
    if (!isBelow) {
      file.closeDescriptor(node.fd);
      if (status === undefined && !isWhiteout(node.status)) status = node.status;
      break;
    }
    status ??= node.status;
    directories.push(node.fd);
    if (isOpaque(node.fd)) break;
  }
  return { status, directories };
}

function lowerNames(lower: readonly number[]): ByteString[] {
  const shown = new Set<ByteString>();
  for (const dir of lower) {
    const listed = openDirectory(dir);
    for (const name of file.directoryNames(listed)) shown.add(name);
    file.closeDescriptor(listed);
  }
  return [...shown].filter(name => {
    const { status, directories } = lookUp(lower, name);
    for (const fd of directories) file.closeDescriptor(fd);
    return status !== undefined;
  });
}

function isOpaque(directory: number): boolean {
  return file.attributeAt(directory, '', OVERLAY_OPAQUE)?.toString('latin1') === 'y';
}

/** Directories that overlayfs has renamed instead of copied are not whole in the layer. Off in our mounts and most kernels. */
function refuseRedirect(directory: number, path: ByteString): void {
  if (file.attributeAt(directory, '', 'trusted.overlay.redirect') === undefined) return;
  throw systemError(`the directory /${file.displayName(path)} was renamed by overlayfs and cannot be read as a layer`, {
    hint: 'turn the option redirect_dir of the kernel module overlay off',
  });
}

function* walk(difference: Difference, visitor: Visitor): Generator<Buffer> {
  const open = (path: string): number =>
    file.openAt(file.AT_FDCWD, file.byteString(path), file.O_PATH | file.O_DIRECTORY | file.O_NOFOLLOW);
  const opened: number[] = [];
  try {
    for (const path of [difference.upper, ...difference.lower]) opened.push(open(path));
    const [upper = -1, ...lower] = opened;
    yield* new Walk(difference, visitor).directory(upper, lower, '');
  } finally {
    for (const fd of opened) file.closeDescriptor(fd);
  }
}

/** What a container has changed, as dockerd lists it: by path, a directory before what is in it. */
export function changesOf(difference: Difference): Change[] {
  const changes: Change[] = [];
  /** Directories that are not listed unless something inside them is, and where they would stand. */
  const pending: { readonly path: ByteString; readonly at: number }[] = [];
  const add = (kind: Change['kind'], path: ByteString): void => {
    changes.push({ kind, path: `/${file.displayName(path)}` });
  };
  // biome-ignore lint/correctness/useYield: visitors of archives yield bytes, this one has none
  const enter = function* ({ status }: Node, path: ByteString, below: file.FileStatus | undefined): Generator<Buffer> {
    if (below === undefined) add('added', path);
    else if (differs(below, status)) add('modified', path);
    else if (isDirectory(status)) pending.push({ path, at: changes.length });
  };
  const visitor: Visitor = {
    enter,
    // biome-ignore lint/correctness/useYield: as above
    *deleted(path) {
      add('deleted', path);
    },
    leave(path) {
      if (pending.at(-1)?.path !== path) return;
      const at = pending.pop()?.at ?? 0;
      if (changes.length > at) changes.splice(at, 0, { kind: 'modified', path: `/${file.displayName(path)}` });
    },
  };
  for (const _ of walk(difference, visitor));
  return changes;
}

/** Type, mode, owner, device; size and time of what is no directory. */
function differs(a: file.FileStatus, b: file.FileStatus): boolean {
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.major !== b.major || a.minor !== b.minor)
    return true;
  if (isDirectory(a)) return false;
  const [x, y] = [a.modification, b.modification];
  return a.sizeBytes !== b.sizeBytes || x.seconds !== y.seconds || x.nanoseconds !== y.nanoseconds;
}

const MARKER = { type: 'file', mode: 0o600, sizeBytes: 0, mtime: 0 } as const;

/**
 * The writable layer as a layer's archive: what it has, and whiteouts for what it hides. Files whose names would be read as
 * whiteouts are left out: no archive can carry them.
 */
export function* differenceArchive(difference: Difference): Generator<Buffer> {
  const tar = new TreeTar();
  const whole = difference.form === 'whole';
  const held: { readonly path: ByteString; readonly node: Node }[] = [];
  const parents = function* (): Generator<Buffer> {
    for (const { path, node } of held.splice(0)) yield* tar.member(node, path);
  };
  yield* walk(difference, {
    *enter(node, path, below) {
      if (path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.')) return;
      // A directory that is as below comes only with something inside it.
      if (below !== undefined && !differs(below, node.status)) {
        const isHeld = isDirectory(node.status) && (whole || !isOpaque(node.fd));
        if (isHeld) held.push({ path, node });
        if (isHeld || whole) return;
      }
      yield* parents();
      yield* tar.member(node, path);
      if (!whole && isDirectory(node.status) && isOpaque(node.fd)) {
        yield plainHeader({ ...MARKER, name: `${path}/.wh..wh..opq` });
      }
    },
    *deleted(path) {
      yield* parents();
      const slash = path.lastIndexOf('/') + 1;
      yield plainHeader({ ...MARKER, name: `${path.slice(0, slash)}.wh.${path.slice(slash)}` });
    },
    leave(path) {
      if (held.at(-1)?.path === path) held.pop();
    },
  });
  yield endOfArchive();
}
