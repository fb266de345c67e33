import type { Endpoint } from '@gantry/network';
import type { ContainerConfig, EndpointSettings, HostConfig } from '../documents/index.ts';
import type { Health } from '../health/health.ts';
import type { ContainerMount, EtcFiles } from '../spec/index.ts';
import type { ContainerLink } from './links.ts';

/** What create decided about a container; only rename, update, connect and disconnect change it. Plain JSON. */
export type ContainerDocument = {
  readonly id: string;
  /** Without a leading slash. */
  name: string;
  /** Nanoseconds since the epoch, decimal. */
  readonly createdNs: string;
  readonly imageId: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly config: ContainerConfig;
  hostConfig: HostConfig;
  /** Networks by name, with what was asked for on each; empty for `none of its own`. */
  networks: Readonly<Record<string, Partial<EndpointSettings>>>;
  readonly mounts: readonly ContainerMount[];
  /** Links of the default bridge; those to containers that are gone mean nothing. */
  links?: readonly ContainerLink[];
};

/** What happened to a container so far. Plain JSON, written without waiting for the disk. */
export type ContainerFacts = {
  /** Nanoseconds since the epoch, decimal; undefined when it never started. */
  startedNs: string | undefined;
  finishedNs: string | undefined;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  restartCount: number;
  /** A person stopped or killed it since its last start. */
  manuallyStopped: boolean;
  paused: boolean;
  /** Present for a container with a health check, from its first start. */
  health?: Health | undefined;
  /** A removal began and failed half-way. */
  dead: boolean;
  /** Present while it runs: what an engine that starts again needs to take it over. */
  run: RunFacts | undefined;
  /** The files that its last start wrote; kept for inspect. */
  etc: EtcFiles | undefined;
  logPath: string;
  /** Ids of the networks that it was on last, by name. */
  networkIds: Record<string, string>;
};

export type RunFacts = {
  endpoints: readonly Endpoint[];
  /** Cgroup of the run, relative to each hierarchy. */
  readonly cgroupPath: string;
  /** Mounted on the host for containers that share this one's IPC namespace. */
  readonly hostMounts: readonly string[];
  /** False until the launch has succeeded: written before it, so that a crash in between leaves nothing unknown. */
  readonly launched: boolean;
  /** The ports of an endpoint are being changed to what it says: sockets and rules may still be what they were. */
  changingPorts?: boolean;
};

export function newFacts(): ContainerFacts {
  return {
    startedNs: undefined,
    finishedNs: undefined,
    exitCode: 0,
    error: '',
    oomKilled: false,
    restartCount: 0,
    manuallyStopped: false,
    paused: false,
    dead: false,
    run: undefined,
    etc: undefined,
    logPath: '',
    networkIds: {},
  };
}
