import { messageOf, systemError } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import { startLocked } from './start.ts';
import { type StopOptions, stopRunning } from './stop.ts';

/** Stops a container that runs, and starts it. */
export function restartContainer(
  context: EngineContext,
  container: Container,
  options: StopOptions,
  ref: string,
): Promise<void> {
  return context.jobs.run('container.restart', container.id, async job => {
    container.manualRestart = true;
    try {
      if (container.isUp) await job.span('stop', () => stopRunning(context, container, options));
      await startLocked(context, container, job, true);
    } catch (error) {
      throw systemError(`Cannot restart container ${ref}: ${messageOf(error)}`, { cause: error });
    } finally {
      container.manualRestart = false;
    }
    context.containerEvent(container, 'restart');
  });
}
