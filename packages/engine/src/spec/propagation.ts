import { realpathSync } from 'node:fs';
import { systemError } from '@gantry/errors';
import { type MountInfo, mountOf, readMountInfo } from '@gantry/linux';

/**
 * Checks that a bind's source is on a mount that propagates as asked, and tells how far the root must propagate.
 * @throws systemError `path X is mounted on Y but it is not a shared mount`
 */
export function requiredRootPropagation(
  source: string,
  propagation: string,
  mounts: readonly MountInfo[] = readMountInfo(),
): 'shared' | 'rslave' | undefined {
  const shared = propagation === 'shared' || propagation === 'rshared';
  const slave = propagation === 'slave' || propagation === 'rslave';
  if (!shared && !slave) return undefined;
  const mount = mountOf(mounts, realpathSync(source));
  if (!mount) throw systemError(`Can't find mount point of ${source}`);
  const has = (prefix: string): boolean => mount.propagation.some(field => field.startsWith(prefix));
  if (shared && !has('shared:')) {
    throw systemError(`path ${source} is mounted on ${mount.mountPoint} but it is not a shared mount`);
  }
  if (slave && !has('shared:') && !has('master:')) {
    throw systemError(`path ${source} is mounted on ${mount.mountPoint} but it is not a shared or slave mount`);
  }
  return shared ? 'shared' : 'rslave';
}
