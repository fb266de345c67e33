import { conflict, invalidParameter } from '@gantry/errors';
import type { EngineDefaults } from '../defaults.ts';
import type { HostConfig, RestartPolicy } from '../documents/index.ts';
import { normalizeCapabilities } from './capability-names.ts';
import { containerOfMode } from './modes.ts';
import { mountProblem, tmpfsDestinationProblem } from './mount-grammar.ts';
import { checkExtraHosts, checkPortBindings } from './network-mode.ts';
import { checkResources } from './resources.ts';

/** Checks a restart policy. @throws invalidParameter */
export function checkRestartPolicy({ Name, MaximumRetryCount }: RestartPolicy): void {
  switch (Name) {
    case '':
      return;
    case 'always':
    case 'unless-stopped':
    case 'no':
      if (MaximumRetryCount === 0) return;
      throw invalidParameter(
        `invalid restart policy: maximum retry count can only be used with 'on-failure'${MaximumRetryCount < 0 ? ' and cannot be negative' : ''}`,
      );
    case 'on-failure':
      if (MaximumRetryCount >= 0) return;
      throw invalidParameter('invalid restart policy: maximum retry count cannot be negative');
    default:
      throw invalidParameter(
        `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
      );
  }
}

/** The checks that dockerd makes on every platform, in its order. Returns warnings. @throws invalidParameter */
export function checkHostConfig(host: HostConfig): string[] {
  const warnings: string[] = [];
  if (host.AutoRemove && host.RestartPolicy.Name !== 'no' && host.RestartPolicy.Name !== '') {
    throw invalidParameter("can't create 'AutoRemove' container with restart policy");
  }
  for (const mount of host.Mounts ?? []) {
    const problem = mountProblem(mount);
    if (problem !== undefined) throw invalidParameter(problem);
  }
  checkExtraHosts(host.ExtraHosts);
  checkPortBindings(host.PortBindings);
  checkRestartPolicy(host.RestartPolicy);
  normalizeCapabilities(host.CapAdd, 'CapAdd');
  normalizeCapabilities(host.CapDrop, 'CapDrop');
  if ('' in (host.Annotations ?? {})) {
    throw invalidParameter('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  return warnings;
}

/** The checks that dockerd makes on Linux, in its order. Returns warnings. @throws invalidParameter */
export function checkLinuxHostConfig(host: HostConfig, daemon: EngineDefaults): string[] {
  const warnings = checkResources(host, daemon.kernel);
  const ipcModes = ['', 'none', 'private', 'host', 'shareable'];
  if (!ipcModes.includes(host.IpcMode) && containerOfMode(host.IpcMode) === undefined) {
    throw invalidParameter(`invalid IPC mode: ${host.IpcMode}`);
  }
  if (host.PidMode !== '' && host.PidMode !== 'host' && !containerOfMode(host.PidMode)) {
    throw invalidParameter(`invalid PID mode: ${host.PidMode}`);
  }
  if (host.ShmSize < 0) throw invalidParameter('SHM size can not be less than 0');
  if (host.UTSMode !== '' && host.UTSMode !== 'host') throw invalidParameter(`invalid UTS mode: ${host.UTSMode}`);
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    throw invalidParameter(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (!daemon.kernel.ipv4Forwarding && host.NetworkMode !== 'host' && host.NetworkMode !== 'none') {
    warnings.push('IPv4 forwarding is disabled. Networking will not work.');
  }
  if (host.NetworkMode === 'host' && Object.keys(host.PortBindings ?? {}).length > 0) {
    warnings.push('Published ports are discarded when using host network mode');
  }
  host.Runtime ||= daemon.defaultRuntime;
  if (!daemon.runtimes.includes(host.Runtime)) {
    throw invalidParameter(`unknown or invalid runtime name: ${host.Runtime}`);
  }
  for (const destination of Object.keys(host.Tmpfs ?? {})) {
    const problem = tmpfsDestinationProblem(destination);
    if (problem !== undefined) throw invalidParameter(problem);
  }
  if (!['', 'private', 'host'].includes(host.CgroupnsMode)) {
    throw invalidParameter(`invalid cgroup namespace mode: ${host.CgroupnsMode}`);
  }
  if (host.CgroupnsMode === 'private' && !daemon.kernel.cgroupNamespaces) {
    warnings.push('Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.');
  }
  return warnings;
}

/** Refuses what dockerd would do and Gantry does not do yet, so that nothing is accepted and then ignored. */
export function refuseUnbuilt(host: HostConfig): void {
  if (host.CpuCount !== 0) throw conflict('CpuCount is an option of Windows containers', { hint: 'use --cpus' });
}

/** Fills what depends on the daemon and the kernel, after all checks. */
export function adaptHostConfig(host: HostConfig, daemon: EngineDefaults): void {
  if (host.Memory > 0 && host.MemorySwap === 0) host.MemorySwap = host.Memory * 2;
  if (host.ShmSize === 0) host.ShmSize = daemon.shmSizeBytes;
  host.IpcMode ||= daemon.ipcMode;
  if (host.CgroupnsMode === '') {
    host.CgroupnsMode = host.Privileged && daemon.kernel.cgroupVersion === 1 ? 'host' : daemon.cgroupnsMode;
  }
  const hasLabel = (host.SecurityOpt ?? []).some(option => option.split('=', 1)[0] === 'label');
  if (!hasLabel && (host.IpcMode === 'host' || host.PidMode === 'host' || host.Privileged)) {
    host.SecurityOpt = [...(host.SecurityOpt ?? []), 'label=disable'];
  }
  if (daemon.kernel.oomKillDisable) host.OomKillDisable ??= false;
}
