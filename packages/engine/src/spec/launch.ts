import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, systemError } from '@gantry/errors';
import { flags } from '@gantry/linux';
import type { NetworkAttachment } from '@gantry/network';
import type { LinuxSpec, RuntimeSpec } from '@gantry/oci';
import { compileContainer, type LaunchPlan, type LogTarget, type Stdio, type Step } from '@gantry/runtime';
import type { LinkedParts } from '../containers/links.ts';
import type { EngineDefaults } from '../defaults.ts';
import { logTarget } from '../validate/log-target.ts';
import { containerOfMode } from '../validate/modes.ts';
import { containerCapabilities } from './capabilities.ts';
import { type CgroupLayout, containerCgroup } from './cgroup.ts';
import { containerDevices } from './devices.ts';
import { containerEnvironment } from './environment.ts';
import { type EtcFiles, etcFiles } from './etc-files.ts';
import { commandLine, type SpecContainer } from './model.ts';
import { containerMounts } from './mounts.ts';
import { containerNamespaces, type NamespaceJoins } from './namespaces.ts';
import { processSpec } from './process.ts';
import { containerResources } from './resources.ts';
import { markRoot } from './root-marks.ts';
import { containerSecurity } from './security.ts';
import { LaunchSlots, type MountImage } from './slots.ts';
import { containerSysctls } from './sysctls.ts';
import { findUser, readAccountFiles } from './user.ts';
import { makeWorkingDirectory } from './workdir.ts';

export type LaunchInput = {
  readonly container: SpecContainer;
  /** The mounted root; stays the caller's. */
  readonly rootFd: number;
  readonly containerDir: string;
  /** For the tag of log lines. */
  readonly imageId?: string;
  readonly network: readonly NetworkAttachment[];
  readonly joins: NamespaceJoins;
  /** What it takes from containers that it links to. */
  readonly linked?: LinkedParts;
  /** The files of the container whose network is shared (`--network container:X`). */
  readonly sharedEtc?: EtcFiles;
  readonly daemon: EngineDefaults;
  readonly cgroup: CgroupLayout;
  readonly mountImage: MountImage;
  /** [height, width] of the terminal at start; the container's own ConsoleSize when left out. */
  readonly consoleSize?: readonly [height: number, width: number];
};

export type BuiltLaunch = {
  readonly spec: RuntimeSpec;
  /** Descriptors for the launch: the root first, then the sources of mounts. */
  readonly slots: readonly number[];
  readonly rootSlot: number;
  readonly plan: LaunchPlan;
  readonly stdio: Stdio;
  readonly log: LogTarget;
  /** The container's files below /etc, for inspect. */
  readonly etc: EtcFiles;
  /** Paths on the host where the plan mounts something for other containers; unmounted when the container has ended. */
  readonly hostMounts: readonly string[];
  /** Closes every slot but the root. */
  dispose(): void;
};

/**
 * Turns a container into the OCI configuration and the launch plan of its next start, which begins with writing its /etc files
 * into `containerDir`; makes the working directory in the root.
 * @throws GantryError with dockerd's text for what cannot be started
 */
export async function buildLaunch(input: LaunchInput): Promise<BuiltLaunch> {
  const { container } = input;
  const log = containerLog(input);
  const slots = new LaunchSlots(input.rootFd);
  try {
    const { etc, etcSteps, hostname, domainname } = await identity(input);
    const config = { ...container.config, Hostname: hostname, Domainname: domainname };
    markRoot(input.rootFd);
    makeWorkingDirectory(input.rootFd, config.WorkingDir);
    const shm = sharedMemory(input);
    const spec = await runtimeSpec({ ...input, container: { ...container, config } }, etc, shm?.path, slots);
    const initSlot =
      spec.process.init && input.daemon.initPath !== undefined
        ? await openInit(slots, input.daemon.initPath)
        : undefined;
    const plan = compileContainer(spec, {
      rootSlot: 0,
      ...(initSlot === undefined ? {} : { initSlot }),
      nextSlot: slots.descriptors.length,
      rootFd: input.rootFd,
      cgroup: input.cgroup,
      network: {
        prepare: input.network.flatMap(({ prepare }) => prepare),
        parent: input.network.flatMap(({ parent }) => parent),
        child: input.network.flatMap(({ child }) => child),
      },
    });
    return {
      spec,
      slots: slots.descriptors,
      rootSlot: 0,
      plan: { ...plan, prepare: [...etcSteps, ...(shm?.prepare ?? []), ...plan.prepare] },
      stdio: { tty: config.Tty, openStdin: config.OpenStdin, stdinOnce: config.StdinOnce },
      log,
      etc,
      hostMounts: shm && shm.prepare.length > 0 ? [shm.path] : [],
      dispose: () => slots[Symbol.dispose](),
    };
  } catch (error) {
    slots[Symbol.dispose]();
    throw error;
  }
}

/** The program of --init-path, instead of Gantry's own init. */
async function openInit(slots: LaunchSlots, path: string): Promise<number> {
  try {
    return await slots.openPath(path);
  } catch (error) {
    throw systemError(`exec: ${JSON.stringify(path)}: executable file not found in $PATH`, {
      cause: error,
      hint: 'correct init-path in the configuration of the daemon',
    });
  }
}

/** The container's names and the files that tell them; with a shared network they are the other container's. */
async function identity(
  input: LaunchInput,
): Promise<{ etc: EtcFiles; etcSteps: readonly Step[]; hostname: string; domainname: string }> {
  const { config, hostConfig } = input.container;
  if (input.sharedEtc) {
    const hostname = (await readFile(input.sharedEtc.hostname, 'utf8')).trim();
    return { etc: input.sharedEtc, etcSteps: [], hostname, domainname: config.Domainname };
  }
  const { files, steps } = etcFiles({
    directory: input.containerDir,
    hostname: config.Hostname,
    domainname: config.Domainname,
    hostConfig,
    network: input.network,
    linkedHosts: input.linked?.hosts ?? [],
    daemon: input.daemon,
  });
  return { etc: files, etcSteps: steps, hostname: config.Hostname, domainname: config.Domainname };
}

/** The /dev/shm of a container whose IPC namespace is shared: the host's, another's, or one that others can join. */
function sharedMemory(input: LaunchInput): { path: string; prepare: Step[] } | undefined {
  const { hostConfig, mounts } = input.container;
  if (hostConfig.IpcMode === 'host') return { path: '/dev/shm', prepare: [] };
  if (containerOfMode(hostConfig.IpcMode) !== undefined) {
    return input.joins.shm === undefined ? undefined : { path: input.joins.shm, prepare: [] };
  }
  if (hostConfig.IpcMode !== 'shareable') return undefined;
  if (mounts.some(mount => mount.destination === '/dev/shm') || '/dev/shm' in (hostConfig.Tmpfs ?? {}))
    return undefined;
  const path = sharedMemoryPath(input.containerDir);
  return {
    path,
    prepare: [
      { op: 'mkdirAll', path, mode: 0o700 },
      {
        op: 'mount',
        source: 'shm',
        path,
        type: 'tmpfs',
        flags: flags.MS_NOEXEC | flags.MS_NOSUID | flags.MS_NODEV,
        data: `mode=1777,size=${hostConfig.ShmSize}`,
      },
    ],
  };
}

/** Where a container with `--ipc shareable` keeps its /dev/shm on the host: NamespaceJoins.shm of those that join it. */
export function sharedMemoryPath(containerDir: string): string {
  return join(containerDir, 'mounts', 'shm');
}

async function runtimeSpec(
  input: LaunchInput,
  etc: EtcFiles,
  shmPath: string | undefined,
  slots: LaunchSlots,
): Promise<RuntimeSpec> {
  const { container, daemon } = input;
  const { config, hostConfig } = container;
  const capabilities = containerCapabilities(hostConfig);
  const security = containerSecurity(hostConfig, daemon, capabilities);
  const user = findUser(config.User, hostConfig.GroupAdd ?? [], readAccountFiles(input.rootFd));
  const namespaces = containerNamespaces(hostConfig, input.joins, daemon.kernel.cgroupNamespaces);
  const { devices, rules } = containerDevices(hostConfig);
  const { mounts, rootfsPropagation } = await containerMounts({
    hostConfig,
    mounts: container.mounts,
    etc,
    shmPath,
    writableCgroups: security.options.writableCgroups,
    slots,
    mountImage: input.mountImage,
  });
  const hasInit = hostConfig.PidMode === '' && (hostConfig.Init ?? daemon.init);
  const ownNames = hostConfig.UTSMode !== 'host';
  const linux: LinuxSpec = {
    namespaces,
    devices,
    cgroupsPath: containerCgroup(container.id, hostConfig.CgroupParent, daemon.cgroupParent),
    resources: { ...containerResources(hostConfig), devices: rules },
    maskedPaths: hostConfig.Privileged ? [] : (hostConfig.MaskedPaths ?? []),
    readonlyPaths: hostConfig.Privileged ? [] : (hostConfig.ReadonlyPaths ?? []),
    ...(rootfsPropagation === undefined ? {} : { rootfsPropagation }),
    ...(security.seccomp === undefined ? {} : { seccomp: security.seccomp }),
    sysctl: containerSysctls(hostConfig, namespaces),
  };
  const process = processSpec({
    args: commandLine(config),
    env: containerEnvironment({ hostname: config.Hostname, env: config.Env }, config.Tty, input.linked?.env),
    cwd: config.WorkingDir,
    tty: config.Tty,
    consoleSize: input.consoleSize ?? hostConfig.ConsoleSize,
    user,
    capabilities,
    security,
    hostConfig,
    daemon,
  });
  return {
    ociVersion: '1.2.1',
    ...(ownNames ? { hostname: config.Hostname } : {}),
    ...(ownNames && config.Domainname !== '' ? { domainname: config.Domainname } : {}),
    root: { path: '/', readonly: hostConfig.ReadonlyRootfs },
    process: hasInit ? { ...process, init: true } : process,
    mounts,
    ...(hostConfig.Annotations ? { annotations: hostConfig.Annotations } : {}),
    linux,
  };
}

/** @throws system with dockerd's words when a log option has no usable value */
function containerLog({ container, containerDir, imageId, daemon }: LaunchInput): LogTarget {
  const { id, name, config, hostConfig } = container;
  try {
    return logTarget(hostConfig.LogConfig, join(containerDir, `${id}-json.log`), {
      id,
      name,
      imageId: imageId ?? '',
      imageName: config.Image,
      labels: config.Labels ?? {},
      env: config.Env ?? [],
      commandLine: commandLine(config),
      createdNs: container.createdNs,
      hostname: daemon.hostname,
    });
  } catch (error) {
    throw systemError(`failed to create task for container: failed to initialize logging driver: ${messageOf(error)}`);
  }
}
