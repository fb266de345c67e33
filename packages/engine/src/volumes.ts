import { conflict, isGantryError } from '@gantry/errors';
import type { VolumeRecord } from '@gantry/volumes';
import type { EngineContext } from './context.ts';
import type { VolumeDocument } from './documents/index.ts';
import type { Filters, Volumes } from './engine.ts';
import { booleanFilter, checkFilters, matchesPairs, matchesPattern, matchesPruneLabels } from './filters.ts';
import { backUpVolume, restoreVolume } from './volume-archive.ts';
import { volumesWithEvents } from './volume-events.ts';

const KEYS = new Set(['dangling', 'name', 'driver', 'label']);
const PRUNE_KEYS = new Set(['all', 'label', 'label!']);

/** The volumes, in Docker's documents and with its events; one that a container has is kept. */
export function volumesOf(context: EngineContext): Volumes {
  const { volumes: store } = context.options;
  const { jobs } = context;
  const isUsed = (name: string): boolean => context.containers.usersOfVolume(name).length > 0;
  const drop = async (name: string): Promise<void> => {
    await store.remove(name);
    context.volumeEvent('destroy', name, {});
  };
  return {
    create: ({ Name, Driver, DriverOpts, Labels }) =>
      jobs.run('volume.create', Name ?? '', async () =>
        volumeDocument(
          await volumesWithEvents(context).create({
            name: Name === '' ? undefined : Name,
            driver: Driver || 'local',
            driverOptions: DriverOpts ?? {},
            labels: Labels ?? {},
          }),
        ),
      ),
    list: async filters => {
      checkFilters(filters, KEYS);
      booleanFilter(filters, 'dangling', false);
      const volumes = store.list().filter(volume => matches(filters, volume, isUsed));
      return { Volumes: volumes.map(volumeDocument), Warnings: null };
    },
    backUp: (name, options, signal) => backUpVolume(context, name, options, signal),
    restore: (name, archive, signal) => restoreVolume(context, name, archive, signal),
    inspect: async name => volumeDocument(store.get(name)),
    remove: (name, force) =>
      jobs.run('volume.remove', name, async () => {
        const users = context.containers.usersOfVolume(name);
        if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
        try {
          store.get(name);
        } catch (error) {
          if (force) return;
          throw error;
        }
        await drop(name);
      }),
    prune: filters =>
      jobs.run('volume.prune', '', async () => {
        checkFilters(filters, PRUNE_KEYS);
        const all = booleanFilter(filters, 'all', false);
        const candidates = store
          .list()
          .filter(({ anonymous, labels }) => (all || anonymous) && matchesPruneLabels(filters, { ...labels }))
          .map(({ name }) => name)
          .filter(name => !isUsed(name));
        const sizes = await store.sizes(candidates);
        const deleted: string[] = [];
        let reclaimed = 0;
        for (const name of candidates) {
          // Measuring takes its time: it may be used, or gone, by now.
          if (isUsed(name)) continue;
          try {
            await drop(name);
          } catch (error) {
            if (isGantryError(error, 'notFound')) continue;
            throw error;
          }
          reclaimed += sizes.get(name) ?? 0;
          deleted.push(name);
        }
        context.events.publish('volume', 'prune', '', { reclaimed: String(reclaimed) });
        return { VolumesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
      }),
  };
}

function matches(filters: Filters, volume: VolumeRecord, isUsed: (name: string) => boolean): boolean {
  if (!matchesPattern(filters, 'name', volume.name) || !matchesPattern(filters, 'driver', volume.driver)) return false;
  if (!matchesPairs(filters, 'label', volume.labels)) return false;
  return !filters.has('dangling') || booleanFilter(filters, 'dangling', false) !== isUsed(volume.name);
}

export function volumeDocument(volume: VolumeRecord): VolumeDocument {
  const labels = { ...volume.labels };
  const options = { ...volume.options };
  return {
    CreatedAt: new Date(volume.createdAtMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    Driver: volume.driver,
    Labels: Object.keys(labels).length === 0 ? null : labels,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(options).length === 0 ? null : options,
    Scope: 'local',
  };
}
