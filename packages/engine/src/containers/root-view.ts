import { existsSync, fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { posix } from 'node:path';
import {
  attachMountOver,
  changeDetached,
  cloneMount,
  duplicate,
  file,
  flags,
  SystemCallError,
  setMountAttributes,
} from '@gantry/linux';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import { LaunchSlots } from '../spec/slots.ts';
import type { Container } from './container.ts';
import { acquireVolumes, releaseVolumes } from './volume-use.ts';

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
  if (!withVolumes) return { fd: root, close: () => closeDescriptor(root) };
  const user = `view-${++views}`;
  let fd = root;
  try {
    await acquireVolumes(context, container, user);
    using slots = new LaunchSlots(root);
    fd = mountVolumes(root, await openSources(context, container, slots));
  } catch (error) {
    closeDescriptor(root);
    await releaseVolumes(context, container, user);
    throw error;
  }
  return {
    fd,
    close: () => {
      closeDescriptor(root);
      if (fd !== root) closeDescriptor(fd);
      void context.inBackground(`end the view of ${container.id}`, releaseVolumes(context, container, user));
    },
  };
}

let views = 0;

type Source = {
  /** O_PATH, or a detached mount. */
  readonly fd: number;
  readonly isMount: boolean;
  readonly destination: string;
  readonly writable: boolean;
  readonly deep: boolean;
};

/** What the container's mounts show, as far as it exists; the descriptors are the slots'. */
async function openSources(context: EngineContext, container: Container, slots: LaunchSlots): Promise<Source[]> {
  const { mounts } = container.document;
  const { images } = context.options;
  const sources: Source[] = [];
  for (const mount of mounts) {
    if (mount.type === 'tmpfs') continue;
    const isMount = mount.type === 'image';
    const open = (): Promise<number> =>
      isMount
        ? slots.openImage(mount, async id => context.mountRoot(images.imageRoot(id)))
        : slots.openSource({ ...mount, createSource: false });
    try {
      const fd = slots.descriptors[await open()] ?? -1;
      const deep = mount.bind?.nonRecursive !== true;
      sources.push({ fd, isMount, destination: mount.destination, writable: mount.rw, deep });
    } catch {
      // The view shows what is there; a start says what is missing.
    }
  }
  const { etc } = container.facts;
  for (const [path, destination] of [
    [etc?.hosts, '/etc/hosts'],
    [etc?.hostname, '/etc/hostname'],
    [etc?.resolvConf, '/etc/resolv.conf'],
  ] as const) {
    if (path === undefined || !existsSync(path) || mounts.some(mount => mount.destination === destination)) continue;
    const fd = slots.descriptors[await slots.openPath(path)] ?? -1;
    sources.push({ fd, isMount: false, destination, writable: true, deep: false });
  }
  return sources.sort((a, b) => a.destination.length - b.destination.length);
}

/** Returns the root, or a copy of it, with the sources mounted below. */
function mountVolumes(root: number, sources: readonly Source[]): number {
  const [first] = sources;
  if (first === undefined) return root;
  try {
    mountOne(root, first);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.call !== 'move_mount' || error.errno !== EINVAL) throw error;
    return changeDetached(root, attached => {
      for (const source of sources) mountOne(attached, source);
    });
  }
  for (const source of sources.slice(1)) mountOne(root, source);
  return root;
}

function mountOne(root: number, { fd, isMount, destination, writable, deep }: Source): void {
  const target = mountPointIn(root, file.byteString(destination), fstatSync(fd).isDirectory());
  try {
    const tree = isMount ? duplicate(fd) : cloneMount('', { recursive: deep, at: fd });
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
