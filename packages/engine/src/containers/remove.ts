import { conflict, GantryError, isGantryError, messageOf } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { sharedMemoryPath } from '../spec/index.ts';
import { volumesWithEvents } from '../volume-events.ts';
import { endAttachments } from './attachments.ts';
import type { Container } from './container.ts';
import { unmount } from './host-mounts.ts';
import { killContainer } from './kill.ts';
import { toTrash } from './trash.ts';

export type RemoveOptions = { readonly force: boolean; readonly volumes: boolean };

/**
 * Removes a container; with `force` also one that runs. It is gone for every reader when this resolves.
 * @param ref as the caller named it, for the error text
 * @throws conflict when it runs, or is being removed
 */
export function removeContainer(
  context: EngineContext,
  container: Container,
  { force, volumes }: RemoveOptions,
  ref: string = container.id,
): Promise<void> {
  return context.jobs.run('container.remove', container.id, async job => {
    if (container.removalBegan) throw conflict(`removal of container ${ref} is already in progress`);
    container.removalBegan = true;
    try {
      // A start that was under way when the removal began ends first; none begins after it.
      for (let removed = false; !removed; ) {
        if (container.isUp) {
          if (!force) throw stillUp(container);
          await job.span('kill', () => killContainer(context, container)).catch(ignoreNotRunning);
        }
        removed = await container.lock.run(async () => {
          if (container.isUp) return false;
          await job.span('remove', () => removeLocked(context, container, volumes));
          return true;
        });
      }
    } catch (error) {
      container.removalBegan = false;
      const kind = isGantryError(error) ? error.kind : 'system';
      throw new GantryError(kind, `cannot remove container "${ref}": ${messageOf(error)}`, { cause: error });
    }
  });
}

function stillUp(container: Container): GantryError {
  return container.status === 'paused'
    ? conflict('container is paused and must be unpaused first')
    : conflict(`container is ${container.status}: stop the container before removing or force remove`);
}

function ignoreNotRunning(error: unknown): void {
  if (!isGantryError(error, 'conflict')) throw error;
}

async function removeLocked(context: EngineContext, container: Container, withVolumes: boolean): Promise<void> {
  const { containers, options, storage } = context;
  const { id } = container;
  if (containers.get(id) !== container) return;
  // Its last run may have left it: what is mounted cannot be removed.
  if (container.document.hostConfig.IpcMode === 'shareable') {
    await unmount(context, [sharedMemoryPath(context.containerDir(id))]);
  }
  container.become({ status: 'removing' });
  try {
    // The row goes first: what a crash leaves from here on belongs to nobody and is removed at the next start.
    await storage.delete(container);
    await Promise.all([options.images.removeContainerLayer(id), toTrash(context, context.containerDir(id), id)]);
  } catch (error) {
    container.facts.dead = true;
    container.facts.error = messageOf(error);
    container.rest();
    container.removed.notify(container.waitResult());
    container.stopped.notify(container.waitResult());
    throw error;
  }
  containers.remove(container);
  context.execs.removeAllOf(id);
  if (withVolumes) await removeAnonymousVolumes(context, container);
  endAttachments(container.pendingAttachments.splice(0));
  // An error here would mean that the removal failed.
  container.removed.notify({ StatusCode: container.facts.exitCode });
  container.stopped.notify(container.waitResult());
  context.containerEvent(container, 'destroy');
}

async function removeAnonymousVolumes(context: EngineContext, container: Container): Promise<void> {
  const volumes = volumesWithEvents(context);
  for (const { anonymous, name } of container.document.mounts) {
    if (!anonymous || name === undefined || context.containers.usersOfVolume(name).length > 0) continue;
    try {
      await volumes.remove(name);
      context.volumeEvent('destroy', name, {});
    } catch (error) {
      context.log(`remove volume ${name} of container ${container.id}`, error);
    }
  }
}
