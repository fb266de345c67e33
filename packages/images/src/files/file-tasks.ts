import { statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { file, SystemCallError } from '@gantry/linux';
import { endOfArchive } from '../tar/writer.ts';
import { baseName, openPath } from './path.ts';
import { type Crossing, openNode, TreeTar, walkTree } from './tree-tar.ts';

const { ENOENT } = constants.errno;

/** File systems that show the kernel, not files: proc, sysfs, cgroup, cgroup2, mqueue, devpts. */
const KERNEL_VIEWS = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x19800202, 0x1cd1]);

/** The root file system alone, flat; what is mounted over it shows as an empty directory or file. */
export function* exportTree(root: number): Generator<Buffer> {
  const fd = file.openAt(root, '.', file.O_PATH | file.O_DIRECTORY);
  try {
    const status = file.statusAt(fd, '');
    if (!status) throw new SystemCallError('lstat', ENOENT, '/');
    yield* walkTree(new TreeTar(), { dir: fd, base: '.', fd, status }, '', () => false);
  } finally {
    file.closeDescriptor(fd);
  }
  yield endOfArchive();
}

/** All files of a volume with everything that they have; its own directory is the member `./`. */
export function* backUpTree(root: number): Generator<Buffer> {
  const fd = file.openAt(root, '.', file.O_PATH | file.O_DIRECTORY);
  try {
    const status = file.statusAt(fd, '');
    if (!status) throw new SystemCallError('lstat', ENOENT, '/');
    yield* walkTree(new TreeTar({ faithful: true }), { dir: fd, base: '.', fd, status }, './', () => false);
  } finally {
    file.closeDescriptor(fd);
  }
  yield endOfArchive();
}

/**
 * What is at `path`, named by its last part, as `docker cp` reads it. Volumes and binds are gone into, views of the kernel
 * and the container's own /dev are not.
 */
export function* readTree(root: number, path: string): Generator<Buffer> {
  const bytes = file.byteString(path);
  const handle = openPath(root, bytes);
  let node: Parameters<typeof walkTree>[1] | undefined;
  const opened = [handle];
  try {
    const status = file.statusAt(handle, '');
    if (!status) throw new SystemCallError('lstat', ENOENT, path);
    if ((status.mode & file.S_IFMT) === file.S_IFDIR) node = { dir: handle, base: '.', fd: handle, status };
    else {
      // Its directory is opened too: some calls know a file by its name only.
      const slash = bytes.lastIndexOf('/');
      const parent = openPath(root, `${bytes.slice(0, slash + 1)}.`);
      opened.push(parent);
      node = openNode(parent, bytes.slice(slash + 1));
      if (!node) throw new SystemCallError('lstat', ENOENT, path);
      opened.push(node.fd);
    }
    const name = file.byteString(baseName(path));
    yield* walkTree(new TreeTar(), node, name, crossing(root));
  } finally {
    for (const fd of opened) file.closeDescriptor(fd);
  }
  yield endOfArchive();
}

function crossing(root: number): Crossing {
  const own = file.statusAt(root, '.')?.mountId;
  const device = file.statusAt(root, 'dev')?.mountId;
  return (fd, status) => {
    if (status.mountId === device && device !== own) return false;
    const { type } = statfsSync(`/proc/self/fd/${fd}`);
    return !KERNEL_VIEWS.has(type);
  };
}
