import type { StorageDriver } from '../storage/driver.ts';
import { LAYER_ROOT } from '../unpack/layer-intake.ts';
import type { Difference } from './layer-diff.ts';

/** A container's writable layer and the trees below it. @throws notFound when it has none */
export function differenceOf(driver: StorageDriver, containerId: string, own: readonly string[]): Difference {
  const layers = [...driver.containerLower(containerId)]
    .reverse()
    .map(name => `${driver.layerPath(name)}/${LAYER_ROOT}`);
  return {
    upper: driver.containerTree(containerId),
    lower: driver.form === 'whole' ? layers.slice(0, 1) : layers,
    form: driver.form,
    own,
  };
}
