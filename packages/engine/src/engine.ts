import type { Readable } from 'node:stream';
import type {
  DistributionInspect,
  ManifestQuestion,
  ManifestUpload,
  PathStatus,
  ReferrersDocument,
  SearchResult,
} from '@gantry/images';
import type { JobLog } from '@gantry/jobs';
import type { PacketPath } from '@gantry/network';
import type { AttachOptions, ClientConnection } from '@gantry/runtime';
import type {
  ContainerConfig,
  ContainerInspect,
  ContainerSummary,
  EndpointSettings,
  EventMessage,
  ExecConfig,
  ExecInspect,
  HostConfig,
  ImageDeleteItem,
  ImageExplanation,
  ImageHistoryItem,
  ImageInspect,
  ImageSummary,
  JobDocument,
  NetworkCreateRequest,
  NetworkInspect,
  NetworkingConfig,
  ProgressMessage,
  RegistryManifestDocument,
  Resources,
  RestartPolicy,
  StartExplanation,
  StatsDocument,
  VolumeDocument,
} from './documents/index.ts';

/** Docker's filters: key to the set of values. */
export type Filters = ReadonlyMap<string, ReadonlySet<string>>;

/** A reference by name, full id, or unambiguous id prefix. */
export type Ref = string;

export type Progress = (message: ProgressMessage) => void;

export type ContainerCreate = {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: NetworkingConfig;
  readonly name: string | undefined;
  readonly platform: string | undefined;
};

export type ContainerChange = { Path: string; Kind: 0 | 1 | 2 };

/** An archive that is extracted into a directory of a container. */
export type ArchiveWrite = {
  readonly path: string;
  readonly source: Readable;
  /** Refuse to put a file in the place of a directory, or the other way round. */
  readonly keepKind: boolean;
  /** All of it belongs to the container's user, if it has one. */
  readonly ownedByUser: boolean;
  readonly signal: AbortSignal;
};

export type ContainerCommit = {
  /** Empty for an image without a name. */
  readonly repository: string;
  readonly tag: string;
  readonly author: string;
  readonly comment: string;
  readonly pause: boolean;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** Instead of the container's own. */
  readonly config: Partial<ContainerConfig> | undefined;
};

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export type LogsOptions = {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Nanoseconds since the epoch; 0 for no bound. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Number of lines from the end; undefined for all. */
  readonly tail: number | undefined;
};

/** An attach that was checked and may now be connected; the API writes the 101 answer between the two. */
export type PreparedAttach = {
  readonly tty: boolean;
  connect(connection: ClientConnection): Promise<void>;
};

export interface Containers {
  create(request: ContainerCreate, signal?: AbortSignal): Promise<{ Id: string; Warnings: string[] }>;
  list(options: { all: boolean; limit: number; size: boolean; filters: Filters }): Promise<ContainerSummary[]>;
  inspect(ref: Ref, options: { size: boolean }): Promise<ContainerInspect>;
  /** @throws notModified when it runs */
  start(ref: Ref): Promise<void>;
  /** Starts it and tells how. @throws notModified when it runs */
  explainStart(ref: Ref): Promise<StartExplanation>;
  /** @throws notModified when it does not run */
  stop(ref: Ref, options: { timeoutSeconds?: number; signal?: string }): Promise<void>;
  restart(ref: Ref, options: { timeoutSeconds?: number; signal?: string }): Promise<void>;
  kill(ref: Ref, signal: string | undefined): Promise<void>;
  pause(ref: Ref): Promise<void>;
  unpause(ref: Ref): Promise<void>;
  rename(ref: Ref, name: string): Promise<void>;
  update(ref: Ref, changes: Partial<Resources> & { RestartPolicy?: RestartPolicy }): Promise<{ Warnings: string[] }>;
  remove(ref: Ref, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  prune(filters: Filters): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>;
  /** `settled` rejects like an HTTP error before it answers; the wait itself resolves later (dockerd sends headers at once). */
  wait(
    ref: Ref,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ done: Promise<{ StatusCode: number; Error?: { Message: string } }> }>;
  attach(ref: Ref, options: AttachOptions & { stream: boolean; logs: boolean }): Promise<PreparedAttach>;
  /** Bytes as the client gets them: Docker's stream frames, or raw for a tty. */
  logs(ref: Ref, options: LogsOptions, signal: AbortSignal): Promise<{ tty: boolean; body: Readable }>;
  top(ref: Ref, psArgs: string): Promise<{ Titles: string[]; Processes: string[][] }>;
  resize(ref: Ref, size: { rows: number; columns: number }): Promise<void>;
  /** Samples of what it uses: one each second, or one alone. Throws for a container that is not there before the first. */
  stats(
    ref: Ref,
    options: { stream: boolean; oneShot: boolean },
    signal: AbortSignal,
  ): Promise<AsyncIterable<StatsDocument>>;
  /** Describes what is at a path. @throws notFound `Could not find the file X in container C` */
  statusOfPath(ref: Ref, path: string): Promise<PathStatus>;
  /** A tar archive of what is at a path. */
  readPath(ref: Ref, path: string, signal: AbortSignal): Promise<{ status: PathStatus; body: Readable }>;
  /** Extracts an archive into a directory. */
  writePath(ref: Ref, archive: ArchiveWrite): Promise<void>;
  /** The root file system as a tar archive. */
  export(ref: Ref, signal: AbortSignal): Promise<Readable>;
  changes(ref: Ref): Promise<ContainerChange[]>;
  /** Makes an image of a container; answers with its id. */
  commit(ref: Ref, request: ContainerCommit, signal: AbortSignal): Promise<string>;
}

export interface Execs {
  create(containerRef: Ref, config: ExecConfig): Promise<{ Id: string }>;
  inspect(id: string): Promise<ExecInspect>;
  startDetached(id: string): Promise<void>;
  startAttached(
    id: string,
    options: { tty: boolean; consoleSize?: readonly [height: number, width: number] },
  ): Promise<PreparedAttach>;
  resize(id: string, size: { rows: number; columns: number }): Promise<void>;
}

export interface Images {
  list(options: { all: boolean; filters: Filters; sharedSize: boolean; manifests: boolean }): Promise<ImageSummary[]>;
  inspect(ref: Ref, options: { platform: string | undefined; manifests: boolean }): Promise<ImageInspect>;
  history(ref: Ref, options: { platform: string | undefined }): Promise<ImageHistoryItem[]>;
  /** Which instruction put how many bytes where, and what of it nobody needs. */
  explain(
    ref: Ref,
    options: { platform: string | undefined; limit: number },
    signal: AbortSignal,
  ): Promise<ImageExplanation>;
  tag(ref: Ref, repository: string, tag: string): Promise<void>;
  /** With `platforms` only those of the name are removed. */
  remove(
    ref: Ref,
    options: { force: boolean; noPrune: boolean; platforms: readonly string[] },
  ): Promise<ImageDeleteItem[]>;
  prune(filters: Filters): Promise<{ ImagesDeleted: ImageDeleteItem[] | null; SpaceReclaimed: number }>;
  /**
   * `authorization` is the decoded X-Registry-Auth header. Without a tag all tags of the repository are pulled. `explain` asks
   * for a last aux message that says where the time went.
   */
  pull(
    reference: { image: string; tag: string; platform: string | undefined; authorization: unknown; explain?: boolean },
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>;
  /** Pushes one tag, or all tags of the repository without one. A reference that cannot be read is refused before any progress. */
  push(
    reference: { image: string; tag: string; platform: string | undefined; authorization: unknown },
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>;
  /** What the registry has under a reference. */
  distribution(ref: string, authorization: unknown, signal: AbortSignal): Promise<DistributionInspect>;
  /** What refers to an image at its registry, of one artifact type unless that is empty. */
  referrers(ref: string, artifactType: string, authorization: unknown, signal: AbortSignal): Promise<ReferrersDocument>;
  /** Asks an index; `limit` 0 is the default of 25. */
  search(
    term: string,
    options: { limit: number; filters: Filters; authorization: unknown },
    signal: AbortSignal,
  ): Promise<SearchResult[]>;
  load(
    archive: Readable,
    options: { quiet: boolean; platforms: readonly string[] },
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>;
  /** Makes an image of an archive, or of what a URL names. */
  import(
    source: Readable | { readonly url: string },
    options: {
      repository: string;
      tag: string;
      message: string;
      changes: readonly string[];
      platform: string | undefined;
    },
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void>;
  save(refs: readonly Ref[], options: { platforms: readonly string[] }, signal: AbortSignal): Promise<Readable>;
}

/** Ours: single manifests and indexes at registries, from which clients make lists of several platforms. */
export interface Manifests {
  /** @throws notFound `no such manifest: REFERENCE` */
  fetch(ref: string, question: ManifestQuestion, signal: AbortSignal): Promise<RegistryManifestDocument>;
  /** Answers with the digest. */
  put(ref: string, upload: ManifestUpload, signal: AbortSignal): Promise<{ Digest: string }>;
}

export interface Networks {
  list(filters: Filters): Promise<NetworkInspect[]>;
  inspect(ref: Ref): Promise<NetworkInspect>;
  create(request: NetworkCreateRequest): Promise<{ Id: string; Warning: string }>;
  /** @throws forbidden for predefined networks and networks in use */
  remove(ref: Ref): Promise<void>;
  prune(filters: Filters): Promise<{ NetworksDeleted: string[] | null }>;
  connect(ref: Ref, container: Ref, settings: Partial<EndpointSettings>): Promise<void>;
  disconnect(ref: Ref, container: Ref, force: boolean): Promise<void>;
  /** Ours: the way of a packet from one end to another. @throws notFound, conflict, invalidParameter */
  explain(from: string, to: string, protocol: string): Promise<PacketPath>;
}

export interface Volumes {
  create(options: {
    Name?: string;
    Driver?: string;
    DriverOpts?: Record<string, string>;
    Labels?: Record<string, string>;
  }): Promise<VolumeDocument>;
  list(filters: Filters): Promise<{ Volumes: VolumeDocument[]; Warnings: string[] | null }>;
  inspect(name: string): Promise<VolumeDocument>;
  remove(name: string, force: boolean): Promise<void>;
  prune(filters: Filters): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }>;
  /** The files of a volume as a tar archive. `pause` holds the containers that use it while it is read. */
  backUp(name: string, options: { pause: boolean }, signal: AbortSignal): Promise<Readable>;
  /** Replaces the files of a volume by those of an archive; makes the volume when there is none. */
  restore(name: string, archive: Readable, signal: AbortSignal): Promise<void>;
}

export interface Events {
  /** Past events from `sinceNs`, then new ones until `untilNs` or abort. Bounded buffer: a reader too slow is ended. */
  subscribe(
    options: { sinceNs?: bigint; untilNs?: bigint; filters: Filters },
    signal: AbortSignal,
  ): AsyncIterable<EventMessage>;
}

export interface System {
  /** GET /info, newest API version. */
  info(): Promise<Record<string, unknown>>;
  /** GET /version, newest API version. */
  version(): Promise<Record<string, unknown>>;
  /** Checks the credentials of POST /auth at their registry. */
  login(authorization: unknown, signal: AbortSignal): Promise<{ IdentityToken: string; Status: string }>;
  diskUsage(types: ReadonlySet<string>): Promise<Record<string, unknown>>;
  /** What runs, and the newest of what ended; filters `verb`, `object`, `outcome`. */
  jobs(filters: Filters): Promise<JobDocument[]>;
  /** Lines that the logs of running containers have lost, by container id; those that lost none are left out. */
  lostLogLines(): Readonly<Record<string, number>>;
}

/** Everything the product does, as nouns with verbs. The API and embedders call this and nothing below it. */
export interface Engine extends AsyncDisposable {
  readonly containers: Containers;
  readonly execs: Execs;
  readonly images: Images;
  readonly manifests: Manifests;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly events: Events;
  readonly system: System;
  readonly jobs: JobLog;
}
