import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { posix } from 'node:path';
import {
  attachMountOver,
  changeDetached,
  cloneMount,
  file,
  flags,
  SystemCallError,
  setMountAttributes,
} from '@gantry/linux';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import type { Container } from './container.ts';

const { ENOENT, EINVAL } = constants.errno;
const INSIDE = file.RESOLVE_IN_ROOT | file.RESOLVE_NO_MAGICLINKS;

/** A container's root file system, by descriptor; to be closed. */
export type RootView = { readonly fd: number; close(): void };

/**
 * Opens the root of a container: of one that runs with everything that is mounted over it, of another one with its volumes
 * and binds if wanted. No path of the host leads to it.
 */
export async function openRootView(
  context: EngineContext,
  container: Container,
  { withVolumes }: { readonly withVolumes: boolean },
): Promise<RootView> {
  const { run } = container;
  if (run) {
    const fd = await run.shim.rootDescriptor();
    return { fd, close: () => closeDescriptor(fd) };
  }
  const root = await context.mountRoot(context.options.images.containerRoot(container.id));
  let fd = root;
  try {
    if (withVolumes) fd = mountVolumes(container, root);
  } catch (error) {
    closeDescriptor(root);
    throw error;
  }
  return {
    fd,
    close: () => {
      closeDescriptor(root);
      if (fd !== root) closeDescriptor(fd);
    },
  };
}

type Source = {
  readonly path: string;
  readonly destination: string;
  readonly writable: boolean;
  readonly deep: boolean;
};

/** Returns the root, or a copy of it, with what the container's mounts show. */
function mountVolumes(container: Container, root: number): number {
  const { mounts } = container.document;
  const sources: Source[] = [];
  for (const { type, source, hostPath, subpath, destination, rw, bind } of mounts) {
    if (type === 'tmpfs') continue;
    const path = posix.join(hostPath ?? source, subpath ?? '');
    sources.push({ path, destination, writable: rw, deep: bind?.nonRecursive !== true });
  }
  const { etc } = container.facts;
  for (const [path, destination] of [
    [etc?.hosts, '/etc/hosts'],
    [etc?.hostname, '/etc/hostname'],
    [etc?.resolvConf, '/etc/resolv.conf'],
  ] as const) {
    const isCovered = mounts.some(mount => mount.destination === destination);
    if (path !== undefined && !isCovered) sources.push({ path, destination, writable: true, deep: false });
  }
  const present = sources.filter(({ path }) => existsSync(path));
  if (present.length === 0) return root;
  present.sort((a, b) => a.destination.length - b.destination.length);
  const [first] = present;
  try {
    if (first) mountOne(root, first);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.call !== 'move_mount' || error.errno !== EINVAL) throw error;
    return changeDetached(root, attached => {
      for (const source of present) mountOne(attached, source);
    });
  }
  for (const source of present.slice(1)) mountOne(root, source);
  return root;
}

function mountOne(root: number, { path, destination, writable, deep }: Source): void {
  const target = mountPointIn(root, file.byteString(destination), statSync(path).isDirectory());
  try {
    const tree = cloneMount(path, { recursive: deep });
    try {
      try {
        setMountAttributes(tree, { propagation: flags.MS_PRIVATE, recursive: true });
        if (!writable) setMountAttributes(tree, { set: flags.MOUNT_ATTR_RDONLY, recursive: true });
      } catch {
        // Before 5.12: who writes looks at the container's own settings first.
      }
      attachMountOver(tree, target);
    } finally {
      file.closeDescriptor(tree);
    }
  } finally {
    file.closeDescriptor(target);
  }
}

/** Opens the place of a mount inside the root; makes it when it is missing, as a start of the container would. */
function mountPointIn(root: number, path: file.ByteString, isDirectory: boolean): number {
  const found = file.tryOpenResolved(root, path, file.O_PATH, INSIDE);
  if (found >= 0) return found;
  if (found !== -ENOENT) throw new SystemCallError('open', -found, file.displayName(path));
  const parent = mountPointIn(root, posix.dirname(path), true);
  try {
    const base = posix.basename(path);
    const made = isDirectory
      ? file.tryMakeDirectoryAt(parent, base, 0o755)
      : file.tryOpenAt(parent, base, file.O_WRONLY | file.O_CREAT | file.O_EXCL, 0o644);
    if (made < 0) throw new SystemCallError('mkdir', -made, file.displayName(path));
    if (!isDirectory) file.closeDescriptor(made);
    return file.openAt(parent, base, file.O_PATH | file.O_NOFOLLOW);
  } finally {
    file.closeDescriptor(parent);
  }
}
