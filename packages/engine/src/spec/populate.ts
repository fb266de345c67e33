import type { VolumeStore } from '@gantry/volumes';
import type { ContainerMount } from './mount-model.ts';

/** Whether a new container has volumes that have to be filled, so that its root is mounted only when needed. */
export async function needsPopulate(mounts: readonly ContainerMount[], volumes: VolumeStore): Promise<boolean> {
  for (const { type, copyUp, name } of mounts) {
    if (type === 'volume' && copyUp && name !== undefined && (await volumes.waitsForFilling(name))) return true;
  }
  return false;
}

/**
 * Fills the container's empty volumes with what the image has below their destinations. Called once, at create.
 * @param request.rootFd the mounted root; stays the caller's
 */
export async function populateVolumes(request: {
  readonly mounts: readonly ContainerMount[];
  readonly volumes: VolumeStore;
  readonly rootFd: number;
}): Promise<void> {
  for (const mount of request.mounts) {
    if (mount.type !== 'volume' || !mount.copyUp || mount.name === undefined) continue;
    await request.volumes.copyUp(mount.name, request.rootFd, mount.destination);
  }
}
