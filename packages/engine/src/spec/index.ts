import { notImplemented } from '@gantry/errors';
import type { ImageConfigDocument } from '@gantry/images';
import type { NetworkAttachment } from '@gantry/network';
import type { RuntimeSpec } from '@gantry/oci';
import type { LaunchPlan, LogTarget, Stdio } from '@gantry/runtime';
import type { VolumeStore } from '@gantry/volumes';
import type { EngineDefaults } from '../defaults.ts';
import type { ContainerConfig, ExecConfig, HostConfig } from '../documents/index.ts';
import type { CgroupLayout } from './cgroup.ts';
import type { ContainerMount } from './mount-model.ts';

export { type ContainerMount, mountPoint } from './mount-model.ts';

/** What the spec of a container is made from. */
export type SpecContainer = {
  readonly id: string;
  /** Without a leading slash. */
  readonly name: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly mounts: readonly ContainerMount[];
  readonly imageConfig: ImageConfigDocument['config'];
};

/** Paths of the namespaces that a container shares with another one, as `/proc/PID/ns/net`. */
export type NamespaceJoins = {
  readonly network?: string;
  readonly ipc?: string;
  readonly pid?: string;
};

/** Where a container keeps its hosts, hostname and resolv.conf files; the owner's when the network is shared with it. */
export type EtcFiles = { readonly hosts: string; readonly hostname: string; readonly resolvConf: string };

/**
 * Decides the mounts of a new container: --volumes-from, binds, --mount and the image's volumes; makes the volumes
 * that are missing.
 * @throws invalidParameter for a mount that dockerd refuses, notFound for a container of --volumes-from
 */
export async function resolveMounts(_input: {
  readonly containerId: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly volumes: VolumeStore;
  readonly findContainer: (ref: string) => { readonly mounts: readonly ContainerMount[] };
}): Promise<ContainerMount[]> {
  throw notImplemented('spec: in work');
}

/** Fills the container's empty volumes with what the image has below their destinations. */
export async function populateVolumes(_input: {
  readonly mounts: readonly ContainerMount[];
  readonly volumes: VolumeStore;
  readonly rootFd: number;
}): Promise<void> {
  throw notImplemented('spec: in work');
}

export type BuiltLaunch = {
  readonly spec: RuntimeSpec;
  /** Descriptors for the launch: the root first, then the sources of binds. Closed by `dispose`, except `rootFd`. */
  readonly slots: readonly number[];
  readonly rootSlot: number;
  readonly plan: LaunchPlan;
  readonly stdio: Stdio;
  readonly log: LogTarget;
  /** The files below /etc that were written, for inspect. Empty strings where there are none. */
  readonly etc: EtcFiles;
  dispose(): void;
};

/**
 * Turns a container into the OCI configuration and the launch plan of its next start; writes its /etc files into
 * `containerDir` and makes the working directory in the root.
 * @param input.rootFd the mounted root; stays the caller's
 * @throws GantryError with exitCode 125, 126 or 127 where dockerd gives one
 */
export async function buildLaunch(_input: {
  readonly container: SpecContainer;
  readonly rootFd: number;
  readonly containerDir: string;
  readonly network: readonly NetworkAttachment[];
  readonly joins: NamespaceJoins;
  /** The files of the container whose network is shared (`--network container:X`). */
  readonly sharedEtc?: EtcFiles;
  readonly daemon: EngineDefaults;
  readonly cgroup: CgroupLayout;
  /** [height, width] of the terminal at start; none for the container's own ConsoleSize. */
  readonly consoleSize?: readonly [height: number, width: number];
}): Promise<BuiltLaunch> {
  throw notImplemented('spec: in work');
}

export type BuiltExec = {
  readonly plan: Pick<LaunchPlan, 'child' | 'prepare'>;
  readonly slots: readonly number[];
  readonly stdio: Stdio;
  dispose(): void;
};

/**
 * Turns an exec into the plan of its process.
 * @param input.rootFd the container's root (Shim.rootDescriptor); stays the caller's
 * @throws systemError `unable to find user X: no matching entries in passwd file`
 */
export async function buildExec(_input: {
  readonly container: SpecContainer;
  readonly exec: ExecConfig;
  readonly rootFd: number;
  readonly daemon: EngineDefaults;
  readonly cgroup: CgroupLayout;
}): Promise<BuiltExec> {
  throw notImplemented('spec: in work');
}
