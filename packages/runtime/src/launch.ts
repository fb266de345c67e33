import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Slot, Step } from './plan/steps.ts';

/** How a container or exec process is started: everything native code needs, decided before. */
export type LaunchPlan = {
  /** CLONE_NEW* flags of the child. */
  readonly cloneFlags: number;
  /** Run by the shim in the host's namespaces before clone: cgroup directories and limits, host sockets. */
  readonly prepare: readonly Step[];
  /** Run by the shim after clone, while the child runs until its barrier: veth into the child's namespace. */
  readonly parent: readonly Step[];
  /** Run by the child between clone and exec. */
  readonly child: readonly Step[];
  /** cgroup v2 directory for CLONE_INTO_CGROUP. */
  readonly cgroupPath?: string;
};

/** Standard streams of a process. */
export type Stdio = {
  readonly tty: boolean;
  /** A stdin that an attached client can write to; else /dev/null. */
  readonly openStdin: boolean;
  /** Close stdin for good when the first attached client ends its side. */
  readonly stdinOnce: boolean;
};

export type LogTarget =
  | { readonly driver: 'none' }
  /**
   * Docker's json-file: `path`, then `path.1` ... when a file reaches maxSizeBytes (0: never rotated). With `compress`
   * somebody turns them into `path.1.gz` ... meanwhile, under the lock of their directory.
   */
  | {
      readonly driver: 'json-file';
      readonly path: string;
      readonly maxSizeBytes: number;
      readonly maxFiles: number;
      readonly compress: boolean;
      /** The container never waits for the log: lines that it lags behind by more bytes than these are dropped. */
      readonly bufferBytes?: number;
      /** Bytes that are no UTF-8 stay as they are, though JSON has no such strings; replaced otherwise. */
      readonly raw?: boolean;
      /** A JSON object that stands in every line as `attrs`; at most 8 KiB. */
      readonly attributes?: string;
    };

/** A client's connection, as it came out of the HTTP upgrade. */
export type ClientConnection =
  /** A plain unix or TCP socket, handed to the shim by descriptor; `head` is what was read from it already. */
  | { readonly kind: 'socket'; readonly socket: Socket; readonly head: Buffer }
  /** Anything else (TLS, WebSocket, no Upgrade header): relayed by the daemon. */
  | { readonly kind: 'stream'; readonly stream: Duplex };

export type AttachOptions = {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Bytes that detach, empty for none; default ctrl-p ctrl-q. */
  readonly detachKeys: Uint8Array;
  /** Docker's 8-byte stream frames; raw when false (tty). */
  readonly multiplexed: boolean;
};

export type Attachment = { readonly options: AttachOptions; readonly connection: ClientConnection };

export type LaunchRequest = {
  /** The container's id, 64 hex digits. */
  readonly id: string;
  /** A directory on the run file system, made when it is not there: socket, exit status. */
  readonly runDir: string;
  readonly plan: LaunchPlan;
  /** Descriptors given to the executor as slots 0, 1, ... (the root mount and bind sources); the caller closes its own. */
  readonly slots: readonly number[];
  /** The slot the shim keeps open for `rootDescriptor`. */
  readonly rootSlot?: Slot;
  readonly stdio: Stdio;
  readonly log: LogTarget;
  /** Attached before the first byte of output. */
  readonly attachments: readonly Attachment[];
  readonly timeoutMs: number;
  /** Told before `launch` resolves when each step began; undefined when the shim could not write it. */
  readonly onTrace?: (trace: LaunchTrace | undefined) => void;
};

/** When a launch came how far, in nanoseconds of CLOCK_MONOTONIC. */
export type LaunchTrace = {
  /** The shim has the request. */
  readonly receivedNs: bigint;
  /** When each step of this section of the plan began. */
  readonly prepareNs: readonly bigint[];
  readonly cloneNs: bigint;
  readonly parentNs: readonly bigint[];
  readonly parentEndNs: bigint;
  readonly childNs: readonly bigint[];
  /** The shim has seen that the child became its program. */
  readonly runningNs: bigint;
};

export type ExecRequest = {
  /** The exec's id, 64 hex digits. */
  readonly id: string;
  /**
   * `prepare` is run by the new process itself while it still sees the host (it joins cgroups by writing `0`), `child`
   * after setns into all namespaces of the container's first process.
   */
  readonly plan: Pick<LaunchPlan, 'child' | 'prepare' | 'cgroupPath'>;
  readonly slots: readonly number[];
  readonly stdio: Stdio;
  readonly attachments: readonly Attachment[];
  readonly timeoutMs: number;
};

/** How a process ended. */
export type ExitStatus = {
  /** 0 to 255; 128 + signal when a signal ended it. */
  readonly code: number;
  readonly signal: number | undefined;
  /** Nanoseconds since the epoch. */
  readonly exitedAtNs: bigint;
};

/** A launch that failed in native code. */
export type LaunchFailure = {
  readonly where: 'prepare' | 'parent' | 'child' | 'clone';
  readonly step: Step | undefined;
  readonly errno: number;
  /** Why an `exec` step found nothing to execute. */
  readonly detail?: 'notInPath' | 'stat' | 'notExecutable' | 'relative';
};

/** What became of a log since its container started; the numbers only grow. */
export type LogNews = {
  /** Files that were given away for compression. */
  readonly rotations: number;
  /** Lines that are in no file: the disk was full, or too slow for a log that may not block. */
  readonly lostLines: number;
};

/** A process that `Shim.exec` started. `exited` stays pending when the shim is lost. */
export type RunningExec = { readonly pid: number; readonly exited: Promise<ExitStatus> };

/** The connection to a container's shim. */
export interface Shim extends AsyncDisposable {
  readonly id: string;
  /** Pid of the container's first process, in the host's pid namespace. */
  readonly pid: number;
  readonly shimPid: number;
  /** Nanoseconds since the epoch. */
  readonly startedAtNs: bigint;
  /** Resolves when the container's first process has ended and its output is flushed to log and attachers. */
  readonly exited: Promise<ExitStatus>;
  /** Resolves when the connection ended without an exit status: the shim was killed. */
  readonly lost: Promise<void>;
  /** Attaches to the container's first process, or to a running exec. @throws notFound when it has ended */
  attach(attachment: Attachment, target?: 'init' | { readonly execId: string }): Promise<void>;
  resize(target: 'init' | { readonly execId: string }, rows: number, columns: number): Promise<void>;
  /** kill(2) of the container's first process, or of an exec's. @throws notFound when it has ended */
  signal(target: 'init' | { readonly execId: string }, signal: number): Promise<void>;
  /** Starts another process in the container. Rejects with GantryError (exitCode 126, 127) when it cannot be executed. */
  exec(request: ExecRequest): Promise<RunningExec>;
  /** Execs that run now, by id; after an adoption those that another daemon started too. */
  readonly execs: ReadonlyMap<string, RunningExec>;
  /** How its newest execs ended before this connection was made, at least 64 of them. */
  readonly endedExecs: ReadonlyMap<string, ExitStatus>;
  /** Calls `listener` whenever a client detaches by its keys; `execId` is undefined for the first process. */
  onDetach(listener: (execId: string | undefined) => void): void;
  readonly log: LogNews;
  /** Calls `listener` when there is news of the log, at most once a second. */
  onLogNews(listener: (news: LogNews) => void): void;
  /** A new descriptor of the container's root mount; the caller closes it. */
  rootDescriptor(): Promise<number>;
  /** Runs `hostSocket` steps in the shim of a running container, all or none. @throws system, whose cause has the errno */
  hold(steps: readonly Step[]): Promise<void>;
  /** Lets go of host sockets on these ports, on whatever addresses, and ends what they relay; none may be held. */
  release(protocol: 'tcp' | 'udp' | 'sctp', port: number, count: number): Promise<void>;
  /** A new descriptor of the socket held inside the container's network namespace; the caller closes it. */
  heldSocket(protocol: 'tcp' | 'udp'): Promise<number>;
  /** Closes the connection; the shim and the container go on. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The native launcher: one child process of the daemon, restarted when it dies. */
export interface Launcher extends AsyncDisposable {
  readonly pid: number;
  /**
   * Starts a container: forks its shim, which runs the plan.
   * @throws GantryError with exitCode 127 (executable not found), 126 (not executable) or 125, its `cause` a LaunchFailure
   */
  launch(request: LaunchRequest): Promise<Shim>;
  /** Runs steps on the host, in the helper; answers of `netlink` steps with `reply` come back by step index. */
  run(steps: readonly Step[], slots?: readonly number[]): Promise<ReadonlyMap<number, Buffer>>;
}

/** What the run directory of a container says after a restart of the daemon. */
export type Adopted =
  | { readonly state: 'running'; readonly shim: Shim }
  | { readonly state: 'exited'; readonly exit: ExitStatus }
  | { readonly state: 'gone' };
