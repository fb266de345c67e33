import type { EngineContext } from '../context.ts';
import type { Containers } from '../engine.ts';
import { containerStats } from '../stats/container-stats.ts';
import { StatsSampler } from '../stats/sampler.ts';
import { exportContainer, readPath, statusOfPath, writePath } from './archive.ts';
import { prepareAttach } from './attach.ts';
import { changesOfContainer } from './changes.ts';
import { commitContainer } from './commit.ts';
import { createContainer } from './create.ts';
import { explainStart } from './explain-start.ts';
import { inspectContainer } from './inspect.ts';
import { killByName } from './kill.ts';
import { removeLink } from './link-changes.ts';
import { listContainers } from './list.ts';
import { openLogs } from './logs.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { pruneContainers } from './prune.ts';
import { removeContainer } from './remove.ts';
import { renameContainer } from './rename.ts';
import { resizeContainer } from './resize.ts';
import { restartContainer } from './restart.ts';
import { startContainer } from './start.ts';
import { stopContainer } from './stop.ts';
import { topOfContainer } from './top.ts';
import { updateContainer } from './update.ts';
import { waitForContainer } from './wait.ts';

/** The verbs of containers, each on what its reference names. */
export function containersOf(context: EngineContext): Containers {
  const find = (ref: string) => context.containers.find(ref);
  const sampler = new StatsSampler(context);
  return {
    create: (request, signal) => createContainer(context, request, signal),
    list: options => listContainers(context, options),
    inspect: async (ref, options) => inspectContainer(context, find(ref), options),
    start: async ref => startContainer(context, find(ref)),
    explainStart: async ref => explainStart(context, find(ref)),
    stop: async (ref, options) => stopContainer(context, find(ref), options, ref),
    restart: async (ref, options) => restartContainer(context, find(ref), options, ref),
    kill: (ref, signal) => killByName(context, ref, signal),
    pause: async ref => pauseContainer(context, find(ref)),
    unpause: async ref => unpauseContainer(context, find(ref)),
    rename: async (ref, name) => renameContainer(context, find(ref), name),
    update: (ref, changes) => updateContainer(context, ref, changes),
    remove: async (ref, { force, volumes, link }) => {
      const container = find(ref);
      if (link) return removeLink(context, container, ref);
      return removeContainer(context, container, { force, volumes }, ref);
    },
    prune: filters => context.jobs.run('container.prune', '', () => pruneContainers(context, filters)),
    wait: async (ref, condition, signal) => {
      const done = waitForContainer(find(ref), condition, signal);
      // A client that goes away rejects it, and may leave nobody to see that.
      done.catch(() => {});
      return { done };
    },
    attach: async (ref, options) => prepareAttach(context, find(ref), options, ref),
    logs: async (ref, options, signal) => openLogs(find(ref), options, signal),
    top: async (ref, psArgs) => topOfContainer(context, find(ref), psArgs),
    statusOfPath: async (ref, path) => statusOfPath(context, find(ref), path, ref),
    readPath: async (ref, path, signal) => readPath(context, find(ref), path, ref, signal),
    writePath: async (ref, archive) => writePath(context, find(ref), archive, ref),
    export: async (ref, signal) => exportContainer(context, find(ref), signal),
    changes: async ref => changesOfContainer(context, find(ref)),
    commit: async (ref, request, signal) => commitContainer(context, find(ref), request, signal),
    resize: async (ref, size) => resizeContainer(context, find(ref), size),
    stats: async (ref, options, signal) => containerStats(context, sampler, find(ref), options, signal),
  };
}
