import { invalidParameter, isGantryError } from '@gantry/errors';
import type { Workers } from '../worker/workers.ts';
import type { StorageDriver } from './driver.ts';
import { openOverlay2 } from './drivers/overlay2.ts';
import { openVfs } from './drivers/vfs.ts';

/** The drivers in the order in which they are tried. */
const DRIVERS: Readonly<Record<string, (root: string, workers: Workers) => Promise<StorageDriver>>> = {
  overlay2: openOverlay2,
  vfs: openVfs,
};

const DROPPED: Readonly<Record<string, string>> = {
  aufs: 'no current kernel has aufs, and Docker dropped it in version 24',
  devicemapper: 'Docker dropped devicemapper in version 25',
  overlay: 'Docker dropped the first overlay driver in version 24; overlay2 takes its place',
};

/**
 * Opens the driver `wanted`; without a wish the one that `previous` data was written with, else the first that works.
 * @throws invalidParameter for a driver that does not exist, unavailable when the wanted one does not work here
 */
export async function openDriver(
  root: string,
  workers: Workers,
  { wanted, previous }: { readonly wanted: string | undefined; readonly previous: string | undefined },
): Promise<StorageDriver> {
  const fixed = wanted ?? previous;
  if (fixed !== undefined) {
    const open = Object.hasOwn(DRIVERS, fixed) ? DRIVERS[fixed] : undefined;
    if (!open) {
      const why = Object.hasOwn(DROPPED, fixed) ? `: ${DROPPED[fixed]}` : '';
      throw invalidParameter(`the storage driver ${fixed} is not supported${why}`, { hint: 'choose overlay2 or vfs' });
    }
    return await open(`${root}/${fixed}`, workers);
  }
  for (const [name, open] of Object.entries(DRIVERS)) {
    try {
      return await open(`${root}/${name}`, workers);
    } catch (error) {
      if (!isGantryError(error, 'unavailable')) throw error;
    }
  }
  throw invalidParameter('no storage driver works');
}
