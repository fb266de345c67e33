import { existsSync, fstatSync, open } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { invalidParameter, messageOf, notFound, systemError } from '@gantry/errors';
import { closeDescriptor, detachedBelow, flags, openInRoot } from '@gantry/linux';
import type { ContainerMount } from './mount-model.ts';

const openFile = promisify(open);

/** Mounts the files of an image, by its id, without a place; the caller closes the descriptor. */
export type MountImage = (imageId: string) => Promise<number>;

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

function openFailure(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'no such file or directory';
  if (codeOf(error) !== 'ENOTDIR') return messageOf(error);
  return 'not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type';
}

/**
 * The descriptors of one launch: the root first, then the sources of mounts, so that nothing can be exchanged between
 * check and use, and so that the child needs no path of the host.
 */
export class LaunchSlots implements Disposable {
  readonly #descriptors: number[];

  /** @param rootFd becomes slot 0; stays the caller's */
  constructor(rootFd: number) {
    this.#descriptors = [rootFd];
  }

  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /** Takes over a descriptor. Returns its slot. */
  add(descriptor: number): number {
    return this.#descriptors.push(descriptor) - 1;
  }

  /** Opens a path of the host without reading it (O_PATH). Returns its slot. */
  async openPath(path: string): Promise<number> {
    return this.add(await openFile(path, flags.O_PATH));
  }

  /** What a slot's descriptor is, so that its target can be made of the same kind. */
  kind(slot: number): 'directory' | 'file' {
    return fstatSync(this.#descriptors[slot] ?? -1).isDirectory() ? 'directory' : 'file';
  }

  /** Opens what a bind or volume mounts, making a missing directory where that is allowed. @throws invalidParameter */
  async openSource(mount: ContainerMount): Promise<number> {
    const path = mount.source;
    if (mount.createSource) await makeSource(path);
    let slot: number;
    try {
      slot = await this.openPath(path);
    } catch (error) {
      if (mount.type === 'volume' && codeOf(error) === 'ENOENT') throw goneVolume(mount, error);
      throw invalidParameter(
        `failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: failed to fulfil mount request: open ${path}: ${openFailure(error)}`,
        { cause: error, hint: 'the source of the mount has changed since the container was created' },
      );
    }
    if (mount.subpath === undefined) return slot;
    try {
      return this.add(openInRoot(this.#descriptors[slot] ?? -1, mount.subpath, flags.O_PATH));
    } catch (error) {
      throw noAccess(`${path}/${mount.subpath}`, error);
    }
  }

  /** Mounts an image, or what it has at the mount's subpath. @throws notFound when it has nothing there */
  async openImage({ source, subpath, name }: ContainerMount, mountImage: MountImage): Promise<number> {
    const mounted = await mountImage(source);
    if (subpath === undefined) return this.add(mounted);
    try {
      return this.add(detachedBelow(mounted, subpath));
    } catch (error) {
      throw noAccess(`${name}/${subpath}`, error);
    } finally {
      closeDescriptor(mounted);
    }
  }

  /** Closes all but the root. */
  [Symbol.dispose](): void {
    for (const descriptor of this.#descriptors.splice(1)) closeDescriptor(descriptor);
  }
}

/** The directory of a volume that somebody has removed by hand. */
function goneVolume({ name, source }: ContainerMount, cause: unknown): Error {
  let missing = source;
  for (let above = dirname(missing); above !== '/' && !existsSync(above); above = dirname(above)) missing = above;
  return systemError(
    `error evaluating symlinks from mount source ${JSON.stringify(source)}: lstat ${missing}: no such file or directory`,
    { cause, hint: `the files of the volume ${name} were removed by hand: remove it and create it again` },
  );
}

function noAccess(path: string, error: unknown): Error {
  if (codeOf(error) !== 'ENOENT')
    return systemError(`cannot access path ${path}: ${messageOf(error)}`, { cause: error });
  return notFound(`cannot access path ${path}: lstat ${path}: no such file or directory`, { cause: error });
}

async function makeSource(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    // A file at the path, or on the way, is mounted or refused as it is.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR') return;
    throw systemError(`error while creating mount source path '${path}': ${messageOf(error)}`, { cause: error });
  }
}
