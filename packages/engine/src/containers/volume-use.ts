import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';

/** The volumes of a container, each once. */
function volumesOf(container: Container): Set<string> {
  const names = container.document.mounts.flatMap(({ type, name }) =>
    type === 'volume' && name !== undefined ? [name] : [],
  );
  return new Set(names);
}

/**
 * Begins the use of a container's volumes by a run, or by `user`: what lives elsewhere is mounted.
 * @throws systemError when one cannot be mounted; none is in use then
 */
export async function acquireVolumes(context: EngineContext, container: Container, user = container.id): Promise<void> {
  const acquired: string[] = [];
  try {
    for (const name of volumesOf(container)) {
      await context.options.volumes.acquire(name, user);
      acquired.push(name);
    }
  } catch (error) {
    for (const name of acquired) await context.options.volumes.release(name, user);
    throw error;
  }
}

/** Ends that use; the last one unmounts. Asked for all at once, so that a removal that follows finds them free. */
export async function releaseVolumes(context: EngineContext, container: Container, user = container.id): Promise<void> {
  const release = (name: string): Promise<void> =>
    context.options.volumes
      .release(name, user)
      .catch((error: unknown) => context.log(`release the volume ${name} of ${container.id}`, error));
  await Promise.all([...volumesOf(container)].map(release));
}

export function mountEvents(context: EngineContext, container: Container): void {
  for (const mount of container.document.mounts) {
    if (mount.type !== 'volume' || mount.name === undefined) continue;
    context.volumeEvent('mount', mount.name, {
      container: container.id,
      destination: mount.destination,
      propagation: mount.propagation,
      'read/write': String(mount.rw),
    });
  }
}

export function unmountEvents(context: EngineContext, container: Container): void {
  for (const { type, name } of container.document.mounts) {
    if (type === 'volume' && name !== undefined) context.volumeEvent('unmount', name, { container: container.id });
  }
}
