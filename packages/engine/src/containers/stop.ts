import { GantryError, messageOf, notModified } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { parseSignal } from '../signals.ts';
import { timeout } from '../timeout.ts';
import type { Container } from './container.ts';
import { killContainer, sendSignal } from './kill.ts';

export type StopOptions = { readonly timeoutSeconds?: number; readonly signal?: string };

const DEFAULT_TIMEOUT_SECONDS = 10;

/** Stops a container: its stop signal, its time, then KILL. @throws notModified when it does not run */
export function stopContainer(
  context: EngineContext,
  container: Container,
  options: StopOptions,
  ref: string,
): Promise<void> {
  return context.jobs.run('container.stop', container.id, async () => {
    if (!container.isUp) throw notModified('container is already stopped');
    try {
      await stopRunning(context, container, options);
    } catch (error) {
      throw new GantryError('system', `cannot stop container: ${ref}: ${messageOf(error)}`, { cause: error });
    }
  });
}

/** @param options.timeoutSeconds negative: never killed; default the container's own, then 10 */
export async function stopRunning(context: EngineContext, container: Container, options: StopOptions): Promise<void> {
  const { config } = container.document;
  const signal = parseSignal(options.signal || config.StopSignal || 'TERM');
  const seconds = options.timeoutSeconds ?? config.StopTimeout ?? DEFAULT_TIMEOUT_SECONDS;
  let waitMs = seconds < 0 ? undefined : seconds * 1000;
  try {
    await sendSignal(context, container, signal);
    // A signal of the caller's choice is a stop all the same.
    container.decider.cancel();
  } catch {
    waitMs = waitMs === undefined ? undefined : 2000;
  }
  // Looked at only now: its policy may have started it again before the signal, which then reached the new run.
  const { run } = container;
  if (run && !(await timeout(run.ended, waitMs)) && container.run === run) {
    await killContainer(context, container).catch((error: unknown) => {
      // It has ended by itself at the last moment, which is what was asked for.
      if (container.run === run) throw error;
    });
  }
  context.containerEvent(container, 'stop');
}
