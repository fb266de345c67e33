import { systemError } from '@gantry/errors';
import { parseSize } from '@gantry/oci';

/**
 * Bytes that a container's writable layer may have, from `--storage-opt`; 0 for no bound.
 * @throws system in dockerd's words for another option, or a size that is none
 */
export function layerLimit(options: Readonly<Record<string, string>>, driver: string): number {
  let limitBytes = 0;
  for (const [key, value] of Object.entries(options)) {
    if (key.toLowerCase() !== 'size') {
      throw systemError(driver === 'vfs' ? `Storage opt ${key} not supported` : `Unknown option ${key}`, {
        hint: 'the only option of a container is size=BYTES, as size=10G',
      });
    }
    const size = parseSize(value, 1024);
    if (typeof size === 'string') throw systemError(size);
    limitBytes = size;
  }
  return limitBytes;
}
