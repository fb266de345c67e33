import { conflict, GantryError, isGantryError, messageOf, systemError } from '@gantry/errors';
import { cgroup } from '@gantry/linux';
import type { EngineContext } from '../context.ts';
import { watchHealth } from '../health/watch.ts';
import { parseSignal, throwUnlessSupported } from '../signals.ts';
import { timeout } from '../timeout.ts';
import type { Container } from './container.ts';

const SIGKILL = 9;
const KILL_WAIT_MS = 10_000;

/**
 * Sends `signal` (default KILL, and then waits for the end). The signal is read before the container is looked up, as in dockerd.
 * @throws invalidParameter, notFound, conflict when it does not run
 */
export async function killByName(context: EngineContext, ref: string, signal: string | undefined): Promise<void> {
  try {
    const number = signal === undefined || signal === '' ? SIGKILL : parseSignal(signal);
    throwUnlessSupported(number);
    const container = context.containers.find(ref);
    await context.jobs.run('container.kill', container.id, () =>
      number === SIGKILL ? killContainer(context, container) : sendSignal(context, container, number),
    );
  } catch (error) {
    const { kind, hint } = isGantryError(error) ? error : { kind: 'system' as const, hint: undefined };
    throw new GantryError(kind, `cannot kill container: ${ref}: ${messageOf(error)}`, { cause: error, hint });
  }
}

export function notRunning(container: Container): GantryError {
  return conflict(`container ${container.id} is not running`);
}

/** Sends one signal. A container that a person signals to stop is not started again by its policy. */
export function sendSignal(context: EngineContext, container: Container, signal: number): Promise<void> {
  return container.lock.run(async () => {
    throwUnlessSupported(signal);
    const { state, facts, document } = container;
    if (!container.isUp) throw notRunning(container);
    const own = document.config.StopSignal;
    const stops = signal === SIGKILL || own === undefined || own === '' || parseSignal(own) === signal;
    if (stops) container.decider.cancel();
    if (context.phase === 'open') facts.manuallyStopped = true;
    if (state.status === 'restarting') {
      // Its delay may be over, and its start wait for our lock.
      container.decider.cancel();
      state.cancel();
      return;
    }
    if (state.status !== 'running' && state.status !== 'paused') return;
    void context.inBackground(`save ${container.id}`, context.storage.saveFacts(container));
    const { shim, facts: runFacts } = state.run;
    try {
      await shim.signal('init', signal);
    } catch (error) {
      // It has ended, or its shim has with it, and its exit is on the way.
      if (!isGantryError(error, 'notFound') && !isGantryError(error, 'unavailable')) {
        throw systemError(`Cannot kill container ${container.id}: ${messageOf(error)}`, { cause: error });
      }
    }
    context.containerEvent(container, 'kill', { signal: String(signal) });
    if (stops && state.status === 'paused') {
      await cgroup.thaw(context.options.cgroup, runFacts.cgroupPath);
      facts.paused = false;
      container.become({ status: 'running', run: state.run });
      context.containerEvent(container, 'unpause');
      watchHealth(context, container, state.run);
    }
  });
}

/** Kills the container and waits until its exit is recorded. @throws conflict when it does not run */
export async function killContainer(context: EngineContext, container: Container): Promise<void> {
  if (!container.isUp) throw notRunning(container);
  await sendSignal(context, container, SIGKILL);
  // The run that got the signal: the one from before may have ended, and its policy started the next.
  const { run } = container;
  if (!run || (await timeout(run.ended, KILL_WAIT_MS))) return;
  await cgroup.killAll(context.options.cgroup, run.facts.cgroupPath);
  if (!(await timeout(run.ended, 2000))) {
    throw systemError('tried to kill container, but did not receive an exit event');
  }
}
