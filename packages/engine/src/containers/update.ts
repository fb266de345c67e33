import { conflict, GantryError, invalidParameter, isGantryError, messageOf } from '@gantry/errors';
import { cgroup } from '@gantry/linux';
import type { LinuxResources } from '@gantry/oci';
import type { EngineContext } from '../context.ts';
import type { HostConfig, PortMap, Resources, RestartPolicy } from '../documents/index.ts';
import { fillHostConfig } from '../validate/fill.ts';
import { checkResources, checkRestartPolicy } from '../validate/index.ts';
import { checkPortBindings } from '../validate/network-mode.ts';
import type { Container } from './container.ts';
import { republish } from './publish.ts';

type Changes = Partial<Resources> & {
  RestartPolicy?: RestartPolicy;
  /** All the ports to publish from now on, in place of those before; ours, dockerd passes over it. */
  PortBindings?: PortMap | null;
};

/** Changes limits, the restart policy and the published ports of a container, of one that runs at once. @throws invalidParameter, conflict */
export async function updateContainer(
  context: EngineContext,
  ref: string,
  changes: Changes,
): Promise<{ Warnings: string[] }> {
  const warnings = checkChanges(context, changes);
  const container = context.containers.find(ref);
  return context.jobs.run('container.update', container.id, () =>
    container.lock.run(async () => {
      try {
        await update(context, container, changes);
      } catch (error) {
        const kind = isGantryError(error) ? error.kind : 'system';
        throw new GantryError(kind, `Cannot update container ${container.id}: ${messageOf(error)}`, { cause: error });
      }
      context.containerEvent(container, 'update');
      return { Warnings: warnings };
    }),
  );
}

/** What is wrong with a change whatever the container is. */
function checkChanges({ options }: EngineContext, changes: Changes): string[] {
  const host = fillHostConfig({ ...changes });
  if (changes.RestartPolicy?.Name) checkRestartPolicy(changes.RestartPolicy);
  checkPortBindings(host.PortBindings);
  return checkResources(host, options.defaults.kernel, true);
}

async function update(context: EngineContext, container: Container, changes: Changes): Promise<void> {
  const { document, state } = container;
  if (container.removalBegan || state.status === 'dead') {
    throw conflict('container is marked for removal and cannot be "update"');
  }
  const before = document.hostConfig;
  const after = merge(before, changes);
  if (container.run)
    await cgroup.updateCgroup(context.options.cgroup, container.run.facts.cgroupPath, limitsOf(after, before));
  if (changes.PortBindings) {
    await republish(context, container, after);
    return;
  }
  document.hostConfig = after;
  try {
    await context.storage.updateDocument(container);
  } catch (error) {
    document.hostConfig = before;
    throw error;
  }
}

const NUMBERS = [
  'BlkioWeight',
  'CpuShares',
  'NanoCpus',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'Memory',
  'MemorySwap',
  'MemoryReservation',
] as const;

/** The host configuration with the changes that were given; 0 and empty mean unchanged. */
function merge(before: HostConfig, changes: Changes): HostConfig {
  if (before.AutoRemove && changes.RestartPolicy?.Name && changes.RestartPolicy.Name !== 'no') {
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  if (changes.NanoCpus && (changes.CpuQuota || changes.CpuPeriod || before.CpuQuota || before.CpuPeriod)) {
    throw conflict('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  }
  if (before.NanoCpus && (changes.CpuQuota || changes.CpuPeriod)) {
    throw conflict('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
  }
  const after: HostConfig = { ...before };
  for (const key of NUMBERS) if (changes[key]) after[key] = changes[key];
  if (changes.CpusetCpus) after.CpusetCpus = changes.CpusetCpus;
  if (changes.CpusetMems) after.CpusetMems = changes.CpusetMems;
  if (changes.PortBindings) after.PortBindings = changes.PortBindings;
  if (changes.PidsLimit) after.PidsLimit = changes.PidsLimit;
  if (changes.RestartPolicy?.Name) after.RestartPolicy = changes.RestartPolicy;
  if (changes.Memory && !changes.MemorySwap && before.MemorySwap > 0 && changes.Memory > before.MemorySwap) {
    throw invalidParameter(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  return after;
}

/** What differs, for the kernel. */
function limitsOf(after: HostConfig, before: HostConfig): LinuxResources {
  const changed = <Key extends (typeof NUMBERS)[number]>(key: Key): number | undefined =>
    after[key] === before[key] ? undefined : after[key];
  const nano = changed('NanoCpus');
  return {
    memory: {
      limit: changed('Memory'),
      swap: changed('MemorySwap') ?? (changed('Memory') === undefined ? undefined : after.MemorySwap || undefined),
      reservation: changed('MemoryReservation'),
    },
    cpu: {
      shares: changed('CpuShares'),
      ...(nano === undefined
        ? { quota: changed('CpuQuota'), period: changed('CpuPeriod') }
        : { quota: Math.round(nano / 10_000), period: 100_000 }),
      realtimePeriod: changed('CpuRealtimePeriod'),
      realtimeRuntime: changed('CpuRealtimeRuntime'),
      cpus: after.CpusetCpus === before.CpusetCpus ? undefined : after.CpusetCpus,
      mems: after.CpusetMems === before.CpusetMems ? undefined : after.CpusetMems,
    },
    ...(after.PidsLimit !== before.PidsLimit && after.PidsLimit !== null ? { pids: { limit: after.PidsLimit } } : {}),
    ...(changed('BlkioWeight') === undefined ? {} : { blockIO: { weight: after.BlkioWeight } }),
  };
}
