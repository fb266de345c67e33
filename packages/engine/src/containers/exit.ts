import { messageOf } from '@gantry/errors';
import { Job } from '@gantry/jobs';
import { cgroup } from '@gantry/linux';
import type { ExitStatus, Shim } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import { endHealth, unwatchHealth, watchHealth } from '../health/watch.ts';
import { nowNs } from '../time.ts';
import { endAttachments } from './attachments.ts';
import { cleanUpRun } from './clean-up.ts';
import type { Container, Run } from './container.ts';
import type { RunFacts } from './document.ts';
import { unmount } from './host-mounts.ts';
import { openToLinking } from './link-changes.ts';
import { compressLog, watchLog } from './log-upkeep.ts';
import { removeContainer } from './remove.ts';
import { endResolver, startResolver } from './resolver.ts';
import { startLocked } from './start.ts';
import { releaseVolumes, unmountEvents } from './volume-use.ts';

/** How a run ended, and a text where the exit status does not tell all. */
export type RunEnd = { readonly exit: ExitStatus; readonly error?: string };

/** Makes a container run in the engine's eyes, and records its exit when it comes. */
export function watchRun(context: EngineContext, container: Container, shim: Shim, facts: RunFacts): void {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const run: Run = { shim, facts, ended };
  container.become({ status: container.facts.paused ? 'paused' : 'running', run });
  void context.inBackground(`answer the questions of ${container.id}`, startResolver(context, container, run));
  if (!container.facts.paused) watchHealth(context, container, run);
  shim.onDetach(execId => {
    if (execId === undefined) context.containerEvent(container, 'detach');
    else context.containerEvent(container, 'exec_detach', { execID: execId });
  });
  watchLog(context, container, shim);
  const end = Promise.race([
    shim.exited.then((exit): RunEnd => ({ exit })),
    shim.lost.then((): RunEnd | undefined => undefined),
  ]).catch((): undefined => undefined);
  const recorded = end.then(async known => {
    if (context.phase === 'closed') return;
    endResolver(context, run);
    unwatchHealth(run);
    const told = known ?? (await lostShim(context, container, run).catch(unknownEnd));
    await container.lock.run(() => recordExit(context, container, run.facts, told));
    resolve();
  });
  // Not `inBackground`: it lasts as long as the container.
  recorded.catch((error: unknown) => {
    context.log(`record the exit of ${container.id}`, error);
    // Whatever went wrong, it does not run any more.
    container.facts.run = undefined;
    container.facts.error = messageOf(error);
    container.rest();
    container.stopped.notify(container.waitResult());
    resolve();
  });
}

/** The shim ended without a word: someone killed it. What it was the parent of must not run on unseen. */
async function lostShim(context: EngineContext, container: Container, run: Run): Promise<RunEnd> {
  // The exit status is in the run directory before it is announced: the shim may have died in between.
  const adopted = await context.adoptShim(container.id, context.runDir(container.id));
  if (adopted.state === 'exited') return { exit: adopted.exit };
  await cgroup.killAll(context.options.cgroup, run.facts.cgroupPath);
  return {
    exit: { code: 137, signal: 9, exitedAtNs: nowNs() },
    error: `the container's shim (pid ${run.shim.shimPid}) was killed, its processes were ended`,
  };
}

/** Nobody can tell how it ended, and no process of it is known to run. */
const unknownEnd = (error: unknown): RunEnd => ({
  exit: { code: 137, signal: 9, exitedAtNs: nowNs() },
  error: messageOf(error),
});

/** Records an exit: the state for every reader, the kernel's things given back, then restart or removal. Holds the lock. */
export async function recordExit(
  context: EngineContext,
  container: Container,
  runFacts: RunFacts,
  { exit, error = '' }: RunEnd,
): Promise<void> {
  const { facts, document } = container;
  const { networks } = context.options;
  const startedNs = BigInt(facts.startedNs ?? '0');
  const finishedNs = exit.exitedAtNs > 0n ? exit.exitedAtNs : nowNs();
  // Nothing else ends by KILL without a person; the file is not read for every exit, for it costs a tenth of a start.
  const maybeOom = exit.signal === 9 || document.hostConfig.Memory > 0;
  if (maybeOom && (await cgroup.readOomKills(context.options.cgroup, runFacts.cgroupPath)) > 0) {
    facts.oomKilled = true;
    context.containerEvent(container, 'oom');
  }
  for (const endpoint of runFacts.endpoints) {
    context.names.leave(endpoint);
    const type = driverOf(context, endpoint.networkId);
    context.networkEvent('disconnect', { id: endpoint.networkId, name: endpoint.networkName, type }, container.id);
  }
  unmountEvents(context, container);
  // Before the container's directory may be renamed to the trash, since it is unmounted by its path.
  await unmount(context, runFacts.hostMounts).catch((failure: unknown) =>
    context.log(`unmount what ${container.id} had on the host`, failure),
  );
  const detached = (async () => {
    // Before its address may be another's.
    if (context.containers.linking(container.id).size > 0) await openToLinking(context, container, true);
    await Promise.all(runFacts.endpoints.map(endpoint => networks.detach(endpoint)));
  })();
  // Who reads of the exit may publish the same ports at once.
  const ports = runFacts.endpoints.some(endpoint => endpoint.ports.length > 0);
  const settled = Promise.all([detached, cleanUpRun(context, container, runFacts), releaseVolumes(context, container)]);
  container.settled = context.inBackground(`clean up after ${container.id}`, settled);
  if (ports) await detached.catch(() => {});

  endHealth(container, undefined);
  context.execs.endAllOf(container.id);
  const ranMs = Math.max(0, Number(finishedNs - startedNs) / 1e6);
  const stopping = context.phase !== 'open';
  const delayMs =
    container.manualRestart || stopping
      ? undefined
      : container.decider.next(document.hostConfig.RestartPolicy, {
          exitCode: exit.code,
          manuallyStopped: facts.manuallyStopped,
          ranMs,
        });
  Object.assign(facts, {
    finishedNs: finishedNs.toString(),
    exitCode: exit.code,
    error,
    paused: false,
    run: undefined,
  });
  if (delayMs === undefined) container.rest();
  else scheduleRestart(context, container, delayMs);
  const removing = document.hostConfig.AutoRemove && !container.manualRestart && delayMs === undefined;
  if (!removing) compressLog(context, container);
  if (!removing) void context.inBackground(`save ${container.id}`, context.storage.saveFacts(container));
  context.containerEvent(container, 'die', {
    exitCode: String(exit.code),
    execDuration: String(Math.trunc(ranMs / 1000)),
  });
  container.stopped.notify(container.waitResult());
  if (removing) autoRemove(context, container);
}

function driverOf(context: EngineContext, networkId: string): string {
  try {
    return context.options.networks.get(networkId).driver;
  } catch {
    return 'bridge';
  }
}

/** Removes a --rm container whose run is over. */
export function autoRemove(context: EngineContext, container: Container): void {
  if (container.removalBegan) return;
  void context.inBackground(
    `remove ${container.id}`,
    removeContainer(context, container, { force: true, volumes: true }),
  );
}

/** Waits out the delay of the restart policy, then starts the container again. */
export function scheduleRestart(context: EngineContext, container: Container, delayMs: number): void {
  container.facts.restartCount++;
  const timer = setTimeout(() => {
    void context.inBackground(`restart ${container.id} by its policy`, restart());
  }, delayMs);
  container.become({
    status: 'restarting',
    cancel: () => {
      clearTimeout(timer);
      container.rest();
      container.stopped.notify(container.waitResult());
      endAttachments(container.pendingAttachments.splice(0));
    },
  });
  async function restart(): Promise<void> {
    if (container.state.status !== 'restarting' || context.phase !== 'open') return;
    await startLocked(context, container, new Job('container.restart', container.id), false);
  }
}
