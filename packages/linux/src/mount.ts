import { closeSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, libc, libcAsync, SystemCallError } from './ffi.ts';
import { openInRoot } from './in-root.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  MNT_DETACH,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_PATH,
} from './mount-flags.ts';

const mountFunction = libc(
  'int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)',
);
const umountFunction = libc('int umount2(const char *target, int flags)');

// The C library's own names for these are newer than the systems we run on.
const openTree = libc('long syscall(long number, long directory, const char *path, long flags)');
const moveMount = libc(
  'long syscall(long number, long from, const char *fromPath, long to, const char *toPath, long flags)',
);
const fsopen = libc('long syscall(long number, const char *type, long flags)');
const fsconfig = libc('long syscall(long number, long fs, long command, const char *key, const char *value, long aux)');
const fsconfigBeside = libcAsync(
  'long syscall(long number, long fs, long command, const char *key, const char *value, long aux)',
);
const fsmount = libc('long syscall(long number, long fs, long flags, long attributes)');
const mountSetattr = libc(
  'long syscall(long number, long directory, const char *path, long flags, const void *attributes, long size)',
);

const OPEN_TREE = 428;
const MOVE_MOUNT = 429;
const FSOPEN = 430;
const FSCONFIG = 431;
const FSMOUNT = 432;
const MOUNT_SETATTR = 442;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const OPEN_TREE_CLONE = 1;
const CLOSE_EXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
/** fsconfig(2) takes strings of 255 bytes and a NUL. */
const FSCONFIG_STRING = 255;
const E2BIG = 7;

/** How a root file system is put together (the same shape as images' RootMount). */
export type RootMountSource =
  | {
      readonly kind: 'overlay';
      /** Top layer first. */
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      readonly volatile: boolean;
    }
  | { readonly kind: 'directory'; readonly path: string }
  /** Layers to read only, top layer first; at least two. */
  | { readonly kind: 'layers'; readonly lower: readonly string[] };

/** mount(2). */
export function mount(source: string, target: string, type: string, flags: number, data = ''): void {
  check(mountFunction(source, target, type, flags, data), 'mount', target);
}

/** umount2(2); may sleep for long behind dirty pages, unless MNT_DETACH. */
export function umount(target: string, flags = 0): void {
  check(umountFunction(target, flags), 'umount', target);
}

/**
 * A detached copy of the mount at `path`, and with `recursive` of those below it, as a descriptor.
 * @see open_tree(2)
 */
export function cloneMount(path: string, options: { recursive: boolean; at?: number }): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (options.recursive ? AT_RECURSIVE : 0);
  return check(openTree(OPEN_TREE, options.at ?? AT_FDCWD, path, flags), 'open_tree', path);
}

/** Attaches a detached mount at `target` in this mount namespace. @see move_mount(2) */
export function attachMount(fd: number, target: string): void {
  check(moveMount(MOVE_MOUNT, fd, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), 'move_mount', target);
}

/**
 * Mounts a detached mount over what the descriptor `target` (O_PATH) is.
 * @throws SystemCallError EINVAL when the target is below a detached mount and the kernel older than 6.15
 */
export function attachMountOver(fd: number, target: number): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  check(moveMount(MOVE_MOUNT, fd, '', target, '', flags), 'move_mount');
}

/**
 * Lets `change` mount things below a detached root, on kernels that cannot do that: the root is attached at a private place
 * for as long as it takes. Returns a detached copy with everything below it; the caller closes both.
 */
export function changeDetached(root: number, change: (root: number) => void): number {
  const place = mkdtempSync(join(tmpdir(), 'gantry-mount-'));
  try {
    attachMount(root, place);
    try {
      mount('', place, '', MS_PRIVATE | MS_REC);
      change(root);
      return cloneMount(place, { recursive: true });
    } finally {
      umount(place, MNT_DETACH);
    }
  } finally {
    rmdirSync(place);
  }
}

/**
 * A detached mount of what is at `path` below a detached root, links resolved inside it; a directory or a file.
 * @throws SystemCallError ENOENT
 */
export function detachedBelow(root: number, path: string): number {
  const place = mkdtempSync(join(tmpdir(), 'gantry-mount-'));
  try {
    attachMount(root, place);
    try {
      mount('', place, '', MS_PRIVATE | MS_REC);
      const found = openInRoot(root, path, O_PATH);
      try {
        return cloneMount('', { recursive: false, at: found });
      } finally {
        closeSync(found);
      }
    } finally {
      umount(place, MNT_DETACH);
    }
  } finally {
    rmdirSync(place);
  }
}

/** mount_setattr(2) on the mount of a descriptor; `propagation` is MS_PRIVATE, MS_SLAVE, MS_SHARED or 0. */
export function setMountAttributes(
  fd: number,
  change: { set?: number; clear?: number; propagation?: number; recursive?: boolean },
): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(change.set ?? 0), 0);
  attributes.writeBigUInt64LE(BigInt(change.clear ?? 0), 8);
  attributes.writeBigUInt64LE(BigInt(change.propagation ?? 0), 16);
  const flags = AT_EMPTY_PATH | (change.recursive ? AT_RECURSIVE : 0);
  check(mountSetattr(MOUNT_SETATTR, fd, '', flags, attributes, attributes.length), 'mount_setattr');
}

/**
 * Makes a new detached mount of a file system type.
 * @param attributes MOUNT_ATTR_*
 * @throws SystemCallError; E2BIG for a value that fsconfig(2) cannot take
 * @see fsopen(2), fsconfig(2), fsmount(2)
 */
export function mountDetached(
  type: string,
  options: readonly (readonly [key: string, value?: string])[],
  attributes: number,
): number {
  const fs = check(fsopen(FSOPEN, type, CLOSE_EXEC), 'fsopen', type);
  try {
    setOptions(fs, options);
    check(fsconfig(FSCONFIG, fs, FSCONFIG_CMD_CREATE, null, null, 0), 'fsconfig(create)', type);
    return check(fsmount(FSMOUNT, fs, CLOSE_EXEC, attributes), 'fsmount', type);
  } finally {
    closeSync(fs);
  }
}

function setOptions(fs: number, options: readonly (readonly [key: string, value?: string])[]): void {
  for (const [key, value] of options) {
    const option = value === undefined ? key : `${key}=${value}`;
    if (Buffer.byteLength(value ?? '') > FSCONFIG_STRING) throw new SystemCallError('fsconfig', E2BIG, option);
    const command = value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    check(fsconfig(FSCONFIG, fs, command, key, value ?? null, 0), 'fsconfig', option);
  }
}

/**
 * {@link mountRoot} with its long part, in which overlayfs tries out the upper layer's file system, beside the event loop.
 */
export async function mountRootBeside(root: RootMountSource): Promise<number> {
  if (root.kind !== 'directory' && appendsLowerLayers === true) {
    forgetVolatile(root);
    using overlay = overlayOptions(root);
    const fs = check(fsopen(FSOPEN, 'overlay', CLOSE_EXEC), 'fsopen', 'overlay');
    try {
      setOptions(fs, overlay.options);
      if (Number(await fsconfigBeside(FSCONFIG, fs, FSCONFIG_CMD_CREATE, null, null, 0)) >= 0) {
        return check(fsmount(FSMOUNT, fs, CLOSE_EXEC, 0), 'fsmount', 'overlay');
      }
    } finally {
      closeSync(fs);
    }
  }
  // The usual way also says what is wrong.
  return mountRoot(root);
}

/**
 * Mounts a root file system without a place in the tree and gives the descriptor of its top directory; closing the last
 * descriptor unmounts it, unless it was attached somewhere.
 * @throws SystemCallError, ENODEV when the kernel has no overlayfs
 */
export function mountRoot(root: RootMountSource): number {
  if (root.kind === 'directory') {
    const fd = cloneMount(root.path, { recursive: false });
    try {
      setMountAttributes(fd, { propagation: MS_PRIVATE });
    } catch {
      // Before 5.12: the container's own `rslave` step does enough.
    }
    return fd;
  }
  forgetVolatile(root);
  if (appendsLowerLayers !== false) {
    try {
      const fd = mountOverlayByFsconfig(root);
      appendsLowerLayers = true;
      return fd;
    } catch (error) {
      if (appendsLowerLayers === true || !(error instanceof SystemCallError) || error.code !== 'EINVAL') throw error;
      appendsLowerLayers = false;
    }
  }
  return mountOverlayByDescriptors(root);
}

/** Whether overlayfs knows the option `lowerdir+` (kernel 6.5); undefined until it was tried. */
let appendsLowerLayers: boolean | undefined;

type Overlay = Exclude<RootMountSource, { kind: 'directory' }>;

/** Whether this kernel indexes overlays unless told otherwise; undefined until it was asked. */
let indexesByDefault: boolean | undefined;

/**
 * An index claims the upper layer until the last mount of it is gone, which may be later than the container's next start.
 * @see overlayfs.rst, "Sharing and copying layers"
 */
function turnsIndexOff(): boolean {
  if (indexesByDefault === undefined) {
    try {
      indexesByDefault = readFileSync('/sys/module/overlay/parameters/index', 'utf8').startsWith('Y');
    } catch {
      indexesByDefault = false;
    }
  }
  return indexesByDefault;
}

/** What a crash left behind a volatile mount is an upper layer that the kernel refuses until this mark is removed. */
function forgetVolatile(root: Overlay): void {
  if (root.kind === 'layers') return;
  const { volatile, work } = root;
  if (volatile) rmSync(join(work, 'work', 'incompat'), { recursive: true, force: true });
}

function mountOverlayByFsconfig(root: Overlay): number {
  using overlay = overlayOptions(root);
  return mountDetached('overlay', overlay.options, 0);
}

/** The options of an overlay; paths that are too long are named by descriptors, which are open until this is disposed. */
function overlayOptions(root: Overlay): { readonly options: [string, string?][] } & Disposable {
  const opened: number[] = [];
  const fit = (path: string): string => {
    if (Buffer.byteLength(path) <= FSCONFIG_STRING) return path;
    const fd = openSync(path, O_PATH);
    opened.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  const close = (): void => {
    for (const fd of opened) closeSync(fd);
  };
  try {
    const options: [string, string?][] = [['source', 'overlay']];
    for (const lower of root.lower) options.push(['lowerdir+', fit(lower)]);
    if (root.kind === 'layers') return { options, [Symbol.dispose]: close };
    options.push(['upperdir', fit(root.upper)], ['workdir', fit(root.work)]);
    if (root.volatile) options.push(['volatile']);
    if (turnsIndexOff()) options.push(['index', 'off']);
    return { options, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * For kernels before 6.5: mount(2) takes one page of options, enough for about 230 layers named by descriptor. The mount
 * needs a place for a moment; it is a private directory that is gone when this returns.
 */
function mountOverlayByDescriptors(root: Overlay): number {
  const opened: number[] = [];
  const byDescriptor = (path: string): string => {
    const fd = openSync(path, O_PATH);
    opened.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  const writable = ({ upper, work, volatile }: Extract<Overlay, { kind: 'overlay' }>): string[] => [
    `upperdir=${byDescriptor(upper)}`,
    `workdir=${byDescriptor(work)}`,
    ...(volatile ? ['volatile'] : []),
    ...(turnsIndexOff() ? ['index=off'] : []),
  ];
  const place = mkdtempSync(join(tmpdir(), 'gantry-mount-'));
  try {
    const data = [
      `lowerdir=${root.lower.map(byDescriptor).join(':')}`,
      ...(root.kind === 'layers' ? [] : writable(root)),
    ].join(',');
    if (data.length > 4095) throw new SystemCallError('mount', E2BIG, `overlay of ${root.lower.length} layers`);
    mount('overlay', place, 'overlay', 0, data);
    try {
      mount('', place, '', MS_PRIVATE | MS_REC);
      return cloneMount(place, { recursive: false });
    } finally {
      umount(place, MNT_DETACH);
    }
  } finally {
    rmdirSync(place);
    for (const fd of opened) closeSync(fd);
  }
}
