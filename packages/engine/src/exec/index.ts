import { invalidParameter, systemError } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { Execs } from '../engine.ts';
import { timeout } from '../timeout.ts';
import { createExec, throwUnlessActive } from './create.ts';
import { inspectExec } from './inspect.ts';
import { startAttached, startDetached } from './start.ts';

/** As long as dockerd lets a resize wait for the start of its exec. */
const START_TIMEOUT_MS = 10_000;

/** The verbs of execs. */
export function execsOf(context: EngineContext): Execs {
  return {
    create: async (ref, config) => createExec(context, context.containers.find(ref), config, ref),
    inspect: async id => inspectExec(context, id),
    startDetached: id => startDetached(context, id),
    startAttached: async (id, options) => startAttached(context, id, options),
    resize: async (id, { rows, columns }) => {
      const exec = context.execs.get(id);
      const container = context.containers.find(exec.containerId);
      throwUnlessActive(container, container.id);
      // Clients ask as soon as the start is answered, which is before the process is there.
      if (!(await timeout(exec.begun.promise, START_TIMEOUT_MS))) {
        throw systemError('timeout waiting for exec session ready', { hint: 'start the exec before it is resized' });
      }
      if (exec.state.status !== 'running' || !container.run) throw invalidParameter('exec process is not started');
      await container.run.shim.resize({ execId: id }, rows, columns);
    },
  };
}
