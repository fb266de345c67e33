import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { invalidParameter, isGantryError, messageOf, systemError } from '@gantry/errors';
import type { VolumeRecord, VolumeStore } from '@gantry/volumes';
import type { ContainerConfig, HostConfig, MountRequest } from '../documents/index.ts';
import { cleanPath } from '../validate/config.ts';
import {
  type MountSpec,
  mountConfigError,
  mountProblem,
  parseBind,
  parseVolumesFrom,
  tmpfsOptions,
} from '../validate/mount-grammar.ts';
import type { BindDetails, ContainerMount } from './mount-model.ts';

export type MountsRequest = {
  readonly containerId: string;
  /** The engine's data root: what holds it is not mounted private. */
  readonly dataRoot: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly volumes: VolumeStore;
  /** @throws notFound `No such container: REF` */
  readonly findContainer: (ref: string) => { readonly mounts: readonly ContainerMount[] };
  /** The id of an image. @throws notFound `No such image: REF` */
  readonly findImage: (ref: string) => string;
};

const DEFAULT_PROPAGATION = 'rprivate';

/**
 * Decides the mounts of a new container: --volumes-from, binds, --mount and the image's volumes, a later one of these
 * taking the place of an earlier one at the same destination; makes the volumes that are missing. Volumes that were
 * made for it alone are removed again when a later mount is refused.
 * @throws invalidParameter or systemError for a mount that dockerd refuses, with its text
 */
export async function resolveMounts(request: MountsRequest): Promise<ContainerMount[]> {
  const mounts = new Map<string, ContainerMount>();
  const made: string[] = [];
  try {
    for (const from of request.hostConfig.VolumesFrom ?? []) addVolumesFrom(from, request, mounts);
    const taken = new Set<string>();
    for (const bind of request.hostConfig.Binds ?? []) {
      const spec = parseBind(bind, request.hostConfig.VolumeDriver);
      if (typeof spec === 'string') throw systemError(spec);
      const destination = cleanPath(spec.request.Target);
      if (taken.has(destination) || destination in (request.hostConfig.Tmpfs ?? {})) {
        throw invalidParameter(`Duplicate mount point: ${destination}`);
      }
      taken.add(destination);
      mounts.set(destination, await resolve(spec, true, request, made));
    }
    for (const mount of request.hostConfig.Mounts ?? []) {
      await checkMount(mount);
      const destination = cleanPath(mount.Target);
      if (taken.has(destination)) throw invalidParameter(`Duplicate mount point: ${mount.Target}`);
      taken.add(destination);
      mounts.set(destination, await resolve({ request: mount, mode: '' }, false, request, made));
    }
    for (const path of Object.keys(request.config.Volumes ?? {})) {
      const destination = cleanPath(path);
      if (mounts.has(destination) || destination in (request.hostConfig.Tmpfs ?? {})) continue;
      mounts.set(destination, await imageVolume(destination, request, made));
    }
    return [...mounts.values()];
  } catch (error) {
    for (const name of made) await request.volumes.remove(name).catch(() => {});
    throw error;
  }
}

function addVolumesFrom(from: string, request: MountsRequest, mounts: Map<string, ContainerMount>): void {
  const parsed = parseVolumesFrom(from);
  if (typeof parsed === 'string') throw invalidParameter(parsed);
  let other: { readonly mounts: readonly ContainerMount[] };
  try {
    other = request.findContainer(parsed.container);
  } catch (error) {
    // dockerd answers 400 here, since the request is wrong, not its address.
    throw isGantryError(error, 'notFound') ? invalidParameter(messageOf(error), { cause: error }) : error;
  }
  for (const mount of other.mounts) {
    mounts.set(mount.destination, { ...mount, mode: '', rw: mount.rw && !parsed.readOnly, copyUp: false });
  }
}

async function checkMount(mount: MountRequest): Promise<void> {
  const problem = mountProblem(mount);
  if (problem !== undefined) throw invalidParameter(problem);
  if (mount.Type !== 'bind' || mount.BindOptions?.CreateMountpoint) return;
  const source = mount.Source ?? '';
  try {
    await stat(source);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reason =
      code === 'ENOENT' || code === 'ENOTDIR' ? `bind source path does not exist: ${source}` : messageOf(error);
    throw invalidParameter(mountConfigError(mount, reason));
  }
}

async function resolve(
  { request: mount, mode }: MountSpec,
  createSource: boolean,
  request: MountsRequest,
  made: string[],
): Promise<ContainerMount> {
  const common = { destination: cleanPath(mount.Target), rw: !mount.ReadOnly, anonymous: false, copyUp: false };
  switch (mount.Type) {
    case 'bind':
      return {
        ...common,
        type: 'bind',
        source: cleanPath(mount.Source ?? ''),
        mode,
        ...bindPropagation(mount, request.dataRoot),
        createSource: createSource || mount.BindOptions?.CreateMountpoint === true,
      };
    case 'tmpfs':
      return {
        ...common,
        type: 'tmpfs',
        source: '',
        mode: '',
        propagation: '',
        createSource: false,
        tmpfs: { options: tmpfsOptions(mount) },
      };
    case 'image':
      return {
        ...common,
        type: 'image',
        name: mount.Source ?? '',
        source: imageId(mount, request),
        mode: '',
        rw: false,
        propagation: DEFAULT_PROPAGATION,
        createSource: false,
        ...(mount.ImageOptions?.Subpath ? { subpath: mount.ImageOptions.Subpath } : {}),
      };
    case 'npipe':
    case 'cluster':
      // Refused by the grammar already.
      throw invalidParameter(mountConfigError(mount, 'mount type unknown'));
    case 'volume': {
      const options = mount.VolumeOptions;
      const volume = await createVolume(request, made, {
        name: mount.Source || undefined,
        driver: options?.DriverConfig?.Name || 'local',
        driverOptions: options?.DriverConfig?.Options ?? {},
        labels: options?.Labels ?? {},
      });
      return {
        ...common,
        ...volumeSource(volume),
        type: 'volume',
        // Labels mean nothing without SELinux, but dockerd shows this mode for every local volume.
        mode: mode || 'z',
        propagation: mount.BindOptions?.Propagation ?? '',
        copyUp: !options?.NoCopy,
        anonymous: !mount.Source,
        createSource: false,
        ...(options?.Subpath ? { subpath: options.Subpath } : {}),
      };
    }
  }
}

/** An image that is not there must not look like the container's own, which clients pull when they are told `notFound`. */
function imageId(mount: MountRequest, { findImage }: MountsRequest): string {
  try {
    return findImage(mount.Source ?? '');
  } catch (error) {
    if (!isGantryError(error, 'notFound')) throw error;
    throw invalidParameter(mountConfigError(mount, error.message), { cause: error, hint: 'pull the image first' });
  }
}

const PROPAGATES = ['rslave', 'rshared'];

/**
 * A private mount of what the data root lies in would keep alive what the engine unmounts.
 * @throws invalidParameter for a propagation that would
 */
function bindPropagation(mount: MountRequest, dataRoot: string): Pick<ContainerMount, 'propagation' | 'bind'> {
  const source = cleanPath(mount.Source ?? '');
  const asked = mount.BindOptions?.Propagation;
  const details = bindDetails(mount);
  if (!isWithin(source, dataRoot) && !isWithin(dataRoot, source)) {
    return { propagation: asked || DEFAULT_PROPAGATION, bind: details };
  }
  if (asked && !PROPAGATES.includes(asked)) {
    throw invalidParameter(
      `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: ${JSON.stringify(dataRoot)}, bind mount source: ${JSON.stringify(source)}, propagation: ${JSON.stringify(asked)}`,
    );
  }
  return { propagation: asked || 'rslave', bind: asked ? details : { ...details, holdsDataRoot: true } };
}

const isWithin = (path: string, directory: string): boolean => !posix.relative(directory, path).startsWith('..');

function bindDetails({ ReadOnly, BindOptions: options }: MountRequest): BindDetails {
  const conflict = (what: string): Error => systemError(`mount options conflict: ${what}`);
  if (!ReadOnly && options?.ReadOnlyNonRecursive) throw conflict('!ReadOnly && BindOptions.ReadOnlyNonRecursive');
  if (!ReadOnly && options?.ReadOnlyForceRecursive) throw conflict('!ReadOnly && BindOptions.ReadOnlyForceRecursive');
  if (options?.ReadOnlyNonRecursive && options.ReadOnlyForceRecursive) {
    throw conflict('ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive');
  }
  return {
    nonRecursive: options?.NonRecursive === true,
    readOnly: options?.ReadOnlyNonRecursive ? 'top' : options?.ReadOnlyForceRecursive ? 'recursive' : 'best-effort',
  };
}

async function imageVolume(destination: string, request: MountsRequest, made: string[]): Promise<ContainerMount> {
  if (destination === '/' || !destination.startsWith('/')) {
    throw invalidParameter(`invalid volume specification: '${destination}'`, {
      hint: 'a volume of an image needs an absolute path other than /',
    });
  }
  const volume = await createVolume(request, made, {
    name: undefined,
    driver: request.hostConfig.VolumeDriver || 'local',
    driverOptions: {},
    labels: {},
  });
  return {
    ...volumeSource(volume),
    type: 'volume',
    destination,
    mode: '',
    rw: true,
    propagation: '',
    copyUp: true,
    anonymous: true,
    createSource: false,
  };
}

async function createVolume(
  { volumes }: MountsRequest,
  made: string[],
  options: Parameters<VolumeStore['create']>[0],
): Promise<VolumeRecord> {
  const volume = await volumes.create(options);
  if (options.name === undefined) made.push(volume.name);
  return volume;
}

function volumeSource({ mountpoint, name, driver }: VolumeRecord): Pick<ContainerMount, 'source' | 'name' | 'driver'> {
  return { source: mountpoint, name, driver };
}
