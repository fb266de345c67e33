import type { VolumeStore } from '@gantry/volumes';
import type { ContainerMount } from './mount-model.ts';

/** Whether a new container has volumes that may have to be filled, so that its root is mounted only when needed. */
export function needsPopulate(mounts: readonly ContainerMount[]): boolean {
  return mounts.some(mount => mount.type === 'volume' && mount.copyUp && mount.name !== undefined);
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
