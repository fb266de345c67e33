import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isGantryError } from '@gantry/errors';
import type { Container } from './containers/container.ts';
import { pauseContainer, unpauseContainer } from './containers/pause.ts';
import type { EngineContext } from './context.ts';
import { volumesWithEvents } from './volume-events.ts';

let backups = 0;

/**
 * The files of a volume as one tar archive: owners, modes, times, links, holes, attributes. Without `pause` each file is as
 * it was when it was read; with it, all of them are of one moment, for the containers of this engine.
 * @throws notFound, systemError when the volume cannot be mounted
 */
export function backUpVolume(
  context: EngineContext,
  name: string,
  { pause }: { readonly pause: boolean },
  signal: AbortSignal,
): Promise<Readable> {
  const { volumes, images } = context.options;
  return context.jobs.run('volume.backup', name, async () => {
    const { mountpoint } = volumes.get(name);
    const user = `backup-${++backups}`;
    await volumes.acquire(name, user);
    const release = (): Promise<void> => volumes.release(name, user);
    const paused: Container[] = [];
    try {
      const directory = await open(mountpoint, 'r');
      try {
        if (pause) await pauseUsers(context, name, paused);
        signal.throwIfAborted();
        return images.files.backUp(directory.fd, signal, () => {
          const end = async (): Promise<void> => {
            await unpause(context, paused);
            await directory.close();
            await release();
          };
          void context.inBackground(`end the backup of ${name}`, end());
        });
      } catch (error) {
        await unpause(context, paused);
        await directory.close();
        throw error;
      }
    } catch (error) {
      await release();
      throw error;
    }
  });
}

async function pauseUsers(context: EngineContext, name: string, paused: Container[]): Promise<void> {
  for (const container of context.containers.ofVolume(name)) {
    if (container.state.status !== 'running') continue;
    try {
      await pauseContainer(context, container);
      paused.push(container);
    } catch (error) {
      // It has ended, or was paused by somebody else, since it was looked at.
      if (!isGantryError(error, 'conflict')) throw error;
    }
  }
}

async function unpause(context: EngineContext, paused: readonly Container[]): Promise<void> {
  for (const container of paused) {
    if (container.status !== 'paused') continue;
    await unpauseContainer(context, container).catch((error: unknown) =>
      context.log(`unpause ${container.id} after a backup`, error),
    );
  }
}

/**
 * Replaces the files of a volume by those of an archive, as a whole or not at all; makes a volume that is not there.
 * @throws conflict when it is in use, invalidParameter for an archive that is broken or cut off
 */
export function restoreVolume(
  context: EngineContext,
  name: string,
  archive: Readable,
  signal: AbortSignal,
): Promise<void> {
  const volumes = volumesWithEvents(context);
  return context.jobs.run('volume.restore', name, async () => {
    const made = !volumes.list().some(volume => volume.name === name);
    if (made) await volumes.create({ name, driver: 'local', driverOptions: {}, labels: {} });
    try {
      await volumes.replace(name, async path => {
        const directory = await open(path, 'r');
        try {
          await context.options.images.files.restore(directory.fd, archive, signal);
        } finally {
          await directory.close();
        }
      });
    } catch (error) {
      if (made && context.containers.ofVolume(name).size === 0) {
        await volumes.remove(name).catch(() => {});
        context.volumeEvent('destroy', name, {});
      }
      throw error;
    }
  });
}
