import type { VolumeStore } from '@gantry/volumes';
import type { EngineContext } from './context.ts';

/** The volume store, with a `create` event for each volume that it makes. */
export function volumesWithEvents(context: EngineContext): VolumeStore {
  const { volumes } = context.options;
  return {
    list: () => volumes.list(),
    get: name => volumes.get(name),
    remove: name => volumes.remove(name),
    sizes: names => volumes.sizes(names),
    acquire: (name, user) => volumes.acquire(name, user),
    release: (name, user) => volumes.release(name, user),
    adopt: users => volumes.adopt(users),
    usersOf: name => volumes.usersOf(name),
    waitsForFilling: name => volumes.waitsForFilling(name),
    copyUp: (name, root, path) => volumes.copyUp(name, root, path),
    replace: (name, fill) => volumes.replace(name, fill),
    create: async options => {
      const existed = options.name !== undefined && has(volumes, options.name);
      const volume = await volumes.create(options);
      if (!existed) context.volumeEvent('create', volume.name, {});
      return volume;
    },
  };
}

function has(volumes: VolumeStore, name: string): boolean {
  try {
    volumes.get(name);
    return true;
  } catch {
    return false;
  }
}
