import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidParameter, messageOf } from '@gantry/errors';
import { adoptContainers, applyPolicies } from './adopt.ts';
import { endAttachments } from './containers/attachments.ts';
import { containersOf } from './containers/index.ts';
import { compressLog, lostLogLines } from './containers/log-upkeep.ts';
import { closeResolver } from './containers/resolver.ts';
import { stopRunning } from './containers/stop.ts';
import { EngineContext } from './context.ts';
import type { Engine } from './engine.ts';
import { execsOf } from './exec/index.ts';
import { unwatchHealth } from './health/watch.ts';
import { imagesOf } from './images.ts';
import { manifestsOf } from './manifests.ts';
import { networksOf } from './networks.ts';
import type { EngineOptions } from './options.ts';
import { diskUsage } from './system/disk-usage.ts';
import { engineInfo } from './system/info.ts';
import { listJobs } from './system/jobs.ts';
import { engineVersion } from './system/version.ts';
import { timeout } from './timeout.ts';
import { checkLogOptions } from './validate/log-config.ts';
import { volumesOf } from './volumes.ts';

/** Containers are given their own stop time; what else is under way gets this long when the engine closes. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * Opens the engine over its rooms: takes over the containers that run, records those that ended meanwhile, removes what
 * nobody owns, and starts in the background what the restart policies ask for.
 * @throws invalidParameter for log options that no container could be made with
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  checkDefaultLog(options);
  const context = new EngineContext(options);
  await Promise.all([
    mkdir(join(options.dataRoot, 'containers'), { recursive: true, mode: 0o710 }),
    mkdir(context.trashDir, { recursive: true, mode: 0o700 }),
    mkdir(join(options.execRoot, 'containers'), { recursive: true, mode: 0o700 }),
  ]);
  await adoptContainers(context);
  await options.networks.reconcile();
  applyPolicies(context);
  // What was rotated while no engine was there.
  for (const container of context.containers.all()) compressLog(context, container);
  context.condenser.start();
  return {
    containers: containersOf(context),
    execs: execsOf(context),
    images: imagesOf(context),
    manifests: manifestsOf(context),
    networks: networksOf(context),
    volumes: volumesOf(context),
    events: context.events,
    system: {
      info: () => engineInfo(context),
      version: async () => engineVersion(context),
      login: async (authorization, signal) => ({
        IdentityToken: await options.images.registries.login(authorization, signal),
        Status: 'Login Succeeded',
      }),
      diskUsage: types => diskUsage(context, types),
      jobs: async filters => listJobs(context, filters),
      lostLogLines: () => lostLogLines(context),
    },
    jobs: context.jobs,
    [Symbol.asyncDispose]: () => close(context),
  };
}

/** Lets go of the containers; stops them first unless they outlive the engine (live restore). */
async function close(context: EngineContext): Promise<void> {
  if (context.phase !== 'open') return;
  const { daemon, store } = context.options;
  if (!daemon.liveRestore) {
    context.phase = 'stopping';
    await Promise.all(
      [...context.containers.all()]
        .filter(container => container.isUp)
        .map(container =>
          stopRunning(context, container, {}).catch((error: unknown) => context.log(`stop ${container.id}`, error)),
        ),
    );
  }
  await Promise.all([
    timeout(context.settled(), CLOSE_TIMEOUT_MS),
    context.logCompressor[Symbol.asyncDispose](),
    context.condenser[Symbol.asyncDispose](),
  ]);
  context.phase = 'closed';
  for (const container of context.containers.all()) {
    if (container.state.status === 'restarting') container.state.cancel();
    endAttachments(container.pendingAttachments.splice(0));
    if (container.run) {
      closeResolver(container.run);
      unwatchHealth(container.run);
    }
    await container.run?.shim[Symbol.asyncDispose]();
  }
  store.flush();
}

function checkDefaultLog({ defaults: { logDriver, logOptions } }: EngineOptions): void {
  if (Object.keys(logOptions).length === 0) return;
  try {
    checkLogOptions(logDriver, logOptions);
  } catch (error) {
    throw invalidParameter(`failed to set log opts: ${messageOf(error)}`, { cause: error });
  }
}
