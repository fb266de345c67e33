import { conflict, messageOf, systemError } from '@gantry/errors';
import { cgroup } from '@gantry/linux';
import type { EngineContext } from '../context.ts';
import { unwatchHealth, watchHealth } from '../health/watch.ts';
import type { Container } from './container.ts';
import { notRunning } from './kill.ts';

/** Freezes a running container. @throws conflict unless it runs */
export function pauseContainer(context: EngineContext, container: Container): Promise<void> {
  return context.jobs.run('container.pause', container.id, () =>
    container.lock.run(async () => {
      const { state } = container;
      if (state.status === 'paused') throw conflict(`Container ${container.id} is already paused`);
      if (state.status === 'restarting') {
        throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
      }
      if (state.status !== 'running') throw notRunning(container);
      await freeze(context, container, state.run.facts.cgroupPath, true);
      unwatchHealth(state.run);
      container.become({ status: 'paused', run: state.run });
    }),
  );
}

/** Lets a paused container run on. */
export function unpauseContainer(context: EngineContext, container: Container): Promise<void> {
  return context.jobs.run('container.unpause', container.id, () =>
    container.lock.run(async () => {
      const { state } = container;
      if (state.status !== 'paused') throw systemError(`Container ${container.id} is not paused`);
      await freeze(context, container, state.run.facts.cgroupPath, false);
      container.become({ status: 'running', run: state.run });
      watchHealth(context, container, state.run);
    }),
  );
}

async function freeze(context: EngineContext, container: Container, path: string, frozen: boolean): Promise<void> {
  try {
    await (frozen ? cgroup.freeze : cgroup.thaw)(context.options.cgroup, path);
  } catch (error) {
    const what = frozen ? 'cannot pause' : 'Cannot unpause';
    throw systemError(`${what} container ${container.id}: ${messageOf(error)}`, { cause: error });
  }
  container.facts.paused = frozen;
  context.containerEvent(container, frozen ? 'pause' : 'unpause');
  void context.inBackground(`save ${container.id}`, context.storage.saveFacts(container));
}
