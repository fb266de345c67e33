import { notImplemented } from '@gantry/errors';
import type { StateStore } from '@gantry/store';
import type { VolumeStore } from './face.ts';

/** Opens the volumes below `root` (`<data-root>/volumes`), known to the state store. */
export async function openVolumeStore(_options: {
  readonly root: string;
  readonly store: StateStore;
}): Promise<VolumeStore> {
  throw notImplemented('volumes: in work');
}
