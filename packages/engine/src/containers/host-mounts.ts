import { constants } from 'node:os';
import type { EngineContext } from '../context.ts';

const { EINVAL, ENOENT } = constants.errno;
const MNT_DETACH = 2;

/** Unmounts what a run had mounted on the host for other containers. Tolerates what is gone. */
export async function unmount(context: EngineContext, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  await context.options.launcher.run(
    paths.map(path => ({ op: 'umount', path, flags: MNT_DETACH, ignore: [EINVAL, ENOENT] })),
  );
}
