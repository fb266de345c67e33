import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroup } from '@gantry/linux';
import { forgetHalfConnected } from './containers/connect.ts';
import type { Container } from './containers/container.ts';
import { autoRemove, type RunEnd, recordExit, watchRun } from './containers/exit.ts';
import { openLinks } from './containers/link-changes.ts';
import { resumePublish } from './containers/publish.ts';
import { startLocked } from './containers/start.ts';
import { toTrash } from './containers/trash.ts';
import { releaseVolumes } from './containers/volume-use.ts';
import type { EngineContext } from './context.ts';
import { ENDED_KEPT_MS, type ExecRecord } from './exec/registry.ts';
import { watchExec } from './exec/start.ts';
import { shouldRestart } from './restart-policy.ts';
import { containerCgroup } from './spec/cgroup.ts';
import { nowNs } from './time.ts';

/** Takes over what runs, records what ended meanwhile, and removes what nobody owns. */
export async function adoptContainers(context: EngineContext): Promise<void> {
  const { containers, options, storage } = context;
  for (const container of storage.load()) containers.add(container);
  const running = [...containers.all()].filter(({ facts }) => facts.run !== undefined);
  // Addresses first: an exit gives back what must have been taken over.
  for (const container of running) {
    const { facts, id } = container;
    for (const endpoint of facts.run?.endpoints ?? []) {
      try {
        options.networks.adopt(endpoint);
        // Names too: questions that waited for us are answered from the first container on.
        context.names.enter(container, endpoint);
      } catch (error) {
        context.log(`take over the network of ${id}`, error);
      }
    }
  }
  const users = new Map<string, Set<string>>();
  for (const { id, document } of running) {
    for (const { type, name } of document.mounts) {
      if (type === 'volume' && name !== undefined) users.set(name, (users.get(name) ?? new Set()).add(id));
    }
  }
  // Before any exit is recorded, which ends the use of its volumes.
  await options.volumes.adopt(users);
  await Promise.all(
    running.map(container =>
      adopt(context, container).catch((error: unknown) => context.log(`take over ${container.id}`, error)),
    ),
  );
  for (const container of running) {
    if (container.run) await context.inBackground(`open the links of ${container.id}`, openLinks(context, container));
  }
  adoptExecs(context);
  await removeUnknown(context);
}

/** The execs that an engine before this one started: those that run are watched on, of others their shim knows how they ended. */
function adoptExecs(context: EngineContext): void {
  const oldestNs = nowNs() - BigInt(ENDED_KEPT_MS) * 1_000_000n;
  const unknown: string[] = [];
  for (const { id, containerId, config } of context.storage.loadExecs()) {
    const container = context.containers.get(containerId);
    const shim = container?.run?.shim;
    const running = shim?.execs.get(id);
    const end = shim?.endedExecs.get(id);
    const begun = Promise.withResolvers<void>();
    begun.resolve();
    const exec: ExecRecord = { id, containerId, config, begun, state: { status: 'created' } };
    if (container && running) {
      context.execs.add(exec);
      const ended = watchExec(context, container, exec, running.pid, running.exited);
      exec.state = { status: 'running', pid: running.pid, ended };
    } else if (container && end && end.exitedAtNs > oldestNs) {
      context.execs.add(exec);
      context.execs.end(exec, 0, end.code);
    } else {
      unknown.push(id);
    }
  }
  if (unknown.length > 0) void context.inBackground('forget old execs', context.storage.deleteExecs(unknown));
}

async function adopt(context: EngineContext, container: Container): Promise<void> {
  const { facts } = container;
  const run = facts.run;
  if (!run) return;
  const adopted = await context.adoptShim(container.id, context.runDir(container.id));
  if (adopted.state === 'running') {
    const { shim } = adopted;
    facts.startedNs = shim.startedAtNs.toString();
    facts.run = { ...run, launched: true };
    // The kernel knows better than what was written before the engine ended.
    facts.paused = await cgroup.isFrozen(context.options.cgroup, run.cgroupPath);
    watchRun(context, container, shim, facts.run);
    await forgetHalfConnected(context, container);
    for (const endpoint of run.endpoints) void context.options.networks.started(endpoint, shim.pid);
    if (container.run) await resumePublish(context, container, container.run);
    return;
  }
  // A shim that does not answer, with processes of the container: it was launched, the word of that was not saved.
  const hasProcesses = (await cgroup.readPids(context.options.cgroup, run.cgroupPath)).length > 0;
  await cgroup.killAll(context.options.cgroup, run.cgroupPath);
  if (adopted.state === 'gone' && !run.launched && !hasProcesses) {
    // The engine ended between its intention and the launch: it never started.
    facts.run = undefined;
    container.rest();
    for (const endpoint of run.endpoints) {
      context.names.leave(endpoint);
      await context.options.networks.detach(endpoint);
    }
    await releaseVolumes(context, container);
    await cgroup.removeCgroup(context.options.cgroup, run.cgroupPath);
    await context.storage.saveFacts(container);
    return;
  }
  const end: RunEnd =
    adopted.state === 'exited'
      ? { exit: adopted.exit }
      : {
          exit: { code: 137, signal: 9, exitedAtNs: nowNs() },
          error: 'the container ended while no engine was running, and its shim left no exit status',
        };
  if (!run.launched || facts.startedNs === undefined) facts.startedNs = end.exit.exitedAtNs.toString();
  await container.lock.run(() => recordExit(context, container, run, end));
}

/** Run directories, writable layers and directories of containers that the state store does not know. */
async function removeUnknown(context: EngineContext): Promise<void> {
  const { containers, options } = context;
  const names = async (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  for (const id of await names(join(options.execRoot, 'containers'))) {
    const known = containers.get(id);
    if (known?.run || known?.facts.run) continue;
    await endUnknown(context, id).catch((error: unknown) => context.log(`end the unknown container ${id}`, error));
  }
  for (const id of options.images.containerLayers()) {
    if (!containers.get(id)) await options.images.removeContainerLayer(id);
  }
  for (const id of await names(join(options.dataRoot, 'containers'))) {
    if (!containers.get(id)) await toTrash(context, context.containerDir(id), id);
  }
  for (const name of await names(context.trashDir)) {
    const work = rm(join(context.trashDir, name), { recursive: true, force: true });
    void context.inBackground(`empty the trash of ${name}`, work);
  }
}

async function endUnknown(context: EngineContext, id: string): Promise<void> {
  const runDir = context.runDir(id);
  const adopted = await context.adoptShim(id, runDir);
  const path = containerCgroup(id, '', context.options.defaults.cgroupParent);
  await cgroup.killAll(context.options.cgroup, path);
  if (adopted.state === 'running') {
    await adopted.shim.signal('init', 9).catch(() => {});
    await Promise.race([adopted.shim.exited, adopted.shim.lost]).catch(() => {});
    await adopted.shim[Symbol.asyncDispose]();
  }
  await cgroup.removeCgroup(context.options.cgroup, path);
  await rm(runDir, { recursive: true, force: true });
}

/** After a start of the engine: --rm containers that are down go, the others come up again as their policy says. */
export function applyPolicies(context: EngineContext): void {
  for (const container of context.containers.all()) {
    const { document, facts } = container;
    if (container.isUp || container.removalBegan) continue;
    if (document.hostConfig.AutoRemove) {
      autoRemove(context, container);
      continue;
    }
    const policy = document.hostConfig.RestartPolicy;
    if (facts.startedNs === undefined || !shouldRestart(policy, facts, facts.restartCount)) continue;
    void context.inBackground(
      `start ${container.id} by its restart policy`,
      context.jobs.run('container.start', container.id, job => startLocked(context, container, job, false)),
    );
  }
}
