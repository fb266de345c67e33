import type { EngineContext } from '../context.ts';
import type { ContainerChange } from '../engine.ts';
import type { Container } from './container.ts';

/** What every container gets from the engine and its image need not have: places for mounts. */
export const OWN_PATHS: readonly string[] = [
  '.dockerenv',
  'dev',
  'dev/console',
  'dev/mqueue',
  'dev/pts',
  'dev/shm',
  'etc',
  'etc/hostname',
  'etc/hosts',
  'etc/mtab',
  'etc/resolv.conf',
  'proc',
  'sys',
];

const KINDS = { modified: 0, added: 1, deleted: 2 } as const;

/** What a container has changed of its image. */
export async function changesOfContainer(context: EngineContext, container: Container): Promise<ContainerChange[]> {
  const changes = await context.options.images.containerChanges(container.id, OWN_PATHS);
  return changes.map(({ kind, path }) => ({ Path: path, Kind: KINDS[kind] }));
}
