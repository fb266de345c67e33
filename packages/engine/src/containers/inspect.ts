import type { EngineContext } from '../context.ts';
import type { ContainerInspect, ContainerStateDocument, HealthDocument, HostConfig } from '../documents/index.ts';
import type { Health } from '../health/health.ts';
import { apparmorProfile, mountPoint } from '../spec/index.ts';
import { NEVER, rfc3339Nano } from '../time.ts';
import type { Container } from './container.ts';
import { linkedContainers } from './links.ts';
import { networkSettings } from './network-documents.ts';
import { containerSizes } from './sizes.ts';

/** Everything about a container, as `docker inspect` shows it. */
export async function inspectContainer(
  context: EngineContext,
  container: Container,
  { size }: { readonly size: boolean },
): Promise<ContainerInspect> {
  const { document, facts } = container;
  const { images } = context.options;
  const sizes = size ? await containerSizes(context, container) : {};
  return {
    Id: document.id,
    Created: rfc3339Nano(container.createdNs),
    Path: document.path,
    Args: [...document.args],
    State: stateDocument(container),
    Image: document.imageId,
    ResolvConfPath: facts.etc?.resolvConf ?? '',
    HostnamePath: facts.etc?.hostname ?? '',
    HostsPath: facts.etc?.hosts ?? '',
    // As dockerd: the file of the driver local is nobody else's business.
    LogPath: document.hostConfig.LogConfig.Type === 'local' ? '' : facts.logPath,
    Name: `/${document.name}`,
    RestartCount: facts.restartCount,
    Driver: images.driver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: apparmorProfile(document.hostConfig, context.options.defaults) ?? '',
    ExecIDs: context.execs.idsOf(document.id),
    HostConfig: shownHostConfig(context, container),
    GraphDriver: { Data: images.graphDriverData(document.id), Name: images.driver },
    ...sizes,
    Mounts: document.mounts.map(mountPoint),
    Config: document.config,
    NetworkSettings: networkSettings(container),
  };
}

/** With its links as dockerd shows them: both full names. */
function shownHostConfig(context: EngineContext, container: Container): HostConfig {
  const { hostConfig } = container.document;
  if (hostConfig.NetworkMode !== 'bridge' || !hostConfig.Links) return hostConfig;
  const links = linkedContainers(context, container).map(
    ({ alias, child }) => `/${child.name}:/${container.name}/${alias}`,
  );
  return { ...hostConfig, Links: links.length > 0 ? links : null };
}

function healthDocument({ status, failingStreak, log }: Health): HealthDocument {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ startNs, endNs, exitCode, output }) => ({
      Start: rfc3339Nano(BigInt(startNs)),
      End: rfc3339Nano(BigInt(endNs)),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

export function stateDocument(container: Container): ContainerStateDocument {
  const { facts, state, run } = container;
  const time = (at: string | undefined): string => (at === undefined ? NEVER : rfc3339Nano(BigInt(at)));
  return {
    Status: state.status,
    Running: container.isUp,
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: facts.oomKilled,
    Dead: state.status === 'dead',
    Pid: run?.shim.pid ?? 0,
    ExitCode: facts.exitCode,
    Error: facts.error,
    StartedAt: time(facts.startedNs),
    FinishedAt: time(facts.finishedNs),
    ...(facts.health ? { Health: healthDocument(facts.health) } : {}),
  };
}
