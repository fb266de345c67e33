import { rm } from 'node:fs/promises';
import { conflict, GantryError, messageOf, notModified } from '@gantry/errors';
import { CleanupStack, type Job } from '@gantry/jobs';
import { cgroup } from '@gantry/linux';
import type { NetworkAttachment, NetworkRecord } from '@gantry/network';
import type { LaunchFailure } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import { beginHealth } from '../health/watch.ts';
import { RestartDecider } from '../restart-policy.ts';
import { containerCgroup } from '../spec/cgroup.ts';
import {
  apparmorProfile,
  type BuiltLaunch,
  buildLaunch,
  DEFAULT_APPARMOR_PROFILE,
  sharedMemoryPath,
} from '../spec/index.ts';
import { keepDefaultProfile } from '../system/apparmor.ts';
import { endAttachments } from './attachments.ts';
import type { Container } from './container.ts';
import { watchRun } from './exit.ts';
import type { StartRecord } from './explain-start.ts';
import { unmount } from './host-mounts.ts';
import { namespaceJoins } from './joins.ts';
import { openLinks, openToLinking, tellLinking } from './link-changes.ts';
import { linkedParts } from './links.ts';
import { explainMount } from './mount-failure.ts';
import { attachNetworks, networkOwner } from './networks.ts';
import { removeContainer } from './remove.ts';
import { specContainer } from './spec-container.ts';
import { acquireVolumes, mountEvents, releaseVolumes, unmountEvents } from './volume-use.ts';

/** A launch is a matter of milliseconds; hooks and slow disks may need longer. */
const LAUNCH_TIMEOUT_MS = 60_000;
/** Clients that a launch takes along: MAX_ATTACHMENTS of native/wire.h. */
const MAX_ATTACHMENTS = 64;

/**
 * Starts a container that does not run.
 * @throws notModified when it runs, conflict when it is paused or being removed, GantryError with the exitCode that
 * `docker run` shows when its program cannot be started
 * @param record filled with what an explanation of this start needs
 */
export function startContainer(context: EngineContext, container: Container, record?: StartRecord): Promise<void> {
  return context.jobs.run('container.start', container.id, async job => {
    if (record) record.job = job;
    if (container.state.status === 'paused') throw conflict('cannot start a paused container, try unpause instead');
    if (container.isUp) throw notModified('container is already running');
    throwIfDoomed(container);
    await startLocked(context, container, job, true, record);
  });
}

function throwIfDoomed({ removalBegan, state }: Container): void {
  if (removalBegan || state.status === 'dead' || state.status === 'removing') {
    throw conflict('container is marked for removal and cannot be started');
  }
}

/** @param byPerson false when the restart policy starts it: its counters go on */
export async function startLocked(
  context: EngineContext,
  container: Container,
  job: Job,
  byPerson: boolean,
  record?: StartRecord,
): Promise<void> {
  const failure = await container.lock.run(async () => {
    if (container.run || (byPerson && container.isUp)) return undefined;
    // Someone stopped it while this start by its policy waited for the lock.
    if (!byPerson && container.decider.cancelled) return undefined;
    throwIfDoomed(container);
    if (byPerson) {
      container.decider = new RestartDecider();
      container.facts.restartCount = 0;
      container.facts.manuallyStopped = false;
    }
    await container.settled;
    try {
      await launch(context, container, job, record);
      return undefined;
    } catch (error) {
      recordFailure(context, container, error);
      return { error };
    }
  });
  if (!failure) return;
  if (container.document.hostConfig.AutoRemove) {
    await removeContainer(context, container, { force: true, volumes: true }).catch((error: unknown) =>
      context.log(`remove ${container.id} after its failed start`, error),
    );
  }
  throw failure.error;
}

async function launch(
  context: EngineContext,
  container: Container,
  job: Job,
  record: StartRecord | undefined,
): Promise<void> {
  const { options } = context;
  const { id } = container;
  await using undo = new CleanupStack((what, error) => context.log(`start ${id}: ${what}`, error));
  using descriptors = new DisposableStack();
  const joins = namespaceJoins(context, container, descriptors);
  const linked = linkedParts(context, container);
  const sharedEtc = networkOwner(context, container)?.facts.etc;
  const runDir = context.runDir(id);

  const [root, network, volumes, apparmor] = await Promise.allSettled([
    job.span('mount the root', async () => context.mountRoot(options.images.containerRoot(id))),
    job.span('reserve addresses and ports', () => attachNetworks(context, container)),
    job.span('mount the volumes', () => acquireVolumes(context, container)),
    apparmorProfile(container.document.hostConfig, options.defaults) === DEFAULT_APPARMOR_PROFILE &&
      keepDefaultProfile(),
  ]);
  if (root.status === 'fulfilled') descriptors.defer(() => closeDescriptor(root.value));
  undo.push('remove the run directory', () => rm(runDir, { recursive: true, force: true }));
  if (volumes.status === 'fulfilled') undo.push('release the volumes', () => releaseVolumes(context, container));
  if (network.status === 'fulfilled') {
    undo.push('give the network back', () => detachNetworks(context, container, network.value));
  }
  for (const result of [root, network, volumes, apparmor]) if (result.status === 'rejected') throw result.reason;
  if (root.status !== 'fulfilled' || network.status !== 'fulfilled') return;

  const { facts, document } = container;
  const directoryPath = context.containerDir(id);
  facts.run = {
    endpoints: network.value.attachments.map(({ endpoint }) => endpoint),
    cgroupPath: containerCgroup(id, document.hostConfig.CgroupParent, options.defaults.cgroupParent),
    hostMounts: document.hostConfig.IpcMode === 'shareable' ? [sharedMemoryPath(directoryPath)] : [],
    launched: false,
  };
  facts.networkIds = Object.fromEntries(network.value.networks.map(({ name, id }) => [name, id]));
  const { run } = facts;
  undo.push('remove the cgroup', async () => {
    // A shim that was killed in the middle of the launch cannot end what it had cloned.
    await cgroup.killAll(options.cgroup, run.cgroupPath);
    await cgroup.removeCgroup(options.cgroup, run.cgroupPath);
  });
  undo.push('unmount', () => unmount(context, run.hostMounts));
  // An engine that is killed right after the launch must know whose the addresses are.
  const intention = context.storage.saveFacts(container);
  const built = await job.span('compile the plan', () =>
    buildLaunch({
      container: specContainer(context, container),
      linked,
      imageId: document.imageId,
      rootFd: root.value,
      containerDir: directoryPath,
      network: network.value.attachments,
      joins,
      ...(sharedEtc ? { sharedEtc } : {}),
      daemon: options.defaults,
      cgroup: options.cgroup,
      mountImage: async imageId => context.mountRoot(options.images.imageRoot(imageId)),
    }),
  );
  descriptors.defer(() => built.dispose());
  facts.etc = built.etc;
  facts.logPath = built.log.driver === 'json-file' ? built.log.path : '';
  await job.span('write the state', () => intention);
  await openLinks(context, container);
  mountEvents(context, container);
  undo.push('tell of the unmount', () => unmountEvents(context, container));
  // The others are served once it runs.
  const attachments = container.pendingAttachments.splice(0, MAX_ATTACHMENTS);
  undo.push('end the attached clients', () => endAttachments(attachments));

  const shim = await job
    .span('launch', () =>
      options.launcher.launch({
        id,
        runDir,
        plan: built.plan,
        slots: built.slots,
        rootSlot: built.rootSlot,
        stdio: built.stdio,
        log: built.log,
        attachments,
        timeoutMs: LAUNCH_TIMEOUT_MS,
        ...(record && {
          onTrace: trace => {
            Object.assign(record, { plan: built.plan, trace });
          },
        }),
      }),
    )
    .catch((error: unknown) => {
      throw explained(context, container, network.value, built, error);
    });
  undo.commit();
  for (const { endpoint } of network.value.attachments) void options.networks.started(endpoint, shim.pid);
  for (const record of network.value.networks) {
    context.networkEvent('connect', { id: record.id, name: record.name, type: record.driver }, id);
  }
  facts.startedNs = shim.startedAtNs.toString();
  facts.exitCode = 0;
  facts.error = '';
  facts.oomKilled = false;
  facts.paused = false;
  facts.run = { ...run, launched: true };
  beginHealth(container);
  watchRun(context, container, shim, facts.run);
  // Those that attached while it was launched.
  for (const late of container.pendingAttachments.splice(0)) {
    void context.inBackground(
      `attach to ${id}`,
      shim.attach(late).catch(() => endAttachments([late])),
    );
  }
  await openToLinking(context, container);
  void context.inBackground(`tell those that link to ${id}`, tellLinking(context, container));
  context.containerEvent(container, 'start');
  void context.inBackground(`save ${id}`, context.storage.saveFacts(container));
}

type Attached = { readonly attachments: readonly NetworkAttachment[]; readonly networks: readonly NetworkRecord[] };

/** Better words for a failure at a step of the network (a port that is taken, an address in use) or of a mount. */
function explained(
  context: EngineContext,
  container: Container,
  network: Attached,
  { spec, plan }: BuiltLaunch,
  error: unknown,
): unknown {
  const failure = error instanceof GantryError ? error.cause : undefined;
  if (!isLaunchFailure(failure)) return error;
  for (const { endpoint } of network.attachments) {
    const explanation = context.options.networks.explain(endpoint, container.name, failure);
    if (explanation) return explanation;
  }
  return explainMount(spec.mounts, plan, failure, error) ?? error;
}

function isLaunchFailure(cause: unknown): cause is LaunchFailure {
  return typeof cause === 'object' && cause !== null && 'where' in cause && 'errno' in cause;
}

function recordFailure(context: EngineContext, container: Container, error: unknown): void {
  const { facts } = container;
  const wasUp = container.isUp;
  facts.error = messageOf(error);
  const exitCode = error instanceof GantryError ? error.exitCode : undefined;
  // 125 is the client's own: dockerd records 128 for what is not the program's fault.
  facts.exitCode = exitCode === 126 || exitCode === 127 ? exitCode : facts.exitCode || 128;
  facts.run = undefined;
  facts.networkIds = {};
  container.rest();
  endAttachments(container.pendingAttachments.splice(0));
  // Its policy had promised another run: who waits for the end of that hears that there is none.
  if (wasUp) container.stopped.notify(container.waitResult());
  void context.inBackground(`save ${container.id}`, context.storage.saveFacts(container));
}

async function detachNetworks(context: EngineContext, container: Container, network: Attached): Promise<void> {
  for (const record of network.networks) {
    context.networkEvent('disconnect', { id: record.id, name: record.name, type: record.driver }, container.id);
  }
  for (const { endpoint } of network.attachments) await context.options.networks.detach(endpoint);
}
