import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';

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
