import type { Resolver } from '@gantry/network';
import type { Attachment, Shim } from '@gantry/runtime';
import type { ContainerStateDocument, ContainerSummary } from '../documents/index.ts';
import { Mutex } from '../mutex.ts';
import { RestartDecider } from '../restart-policy.ts';
import { humanDuration, nowNs } from '../time.ts';
import type { ContainerDocument, ContainerFacts, RunFacts } from './document.ts';
import { Waiters, type WaitResult } from './waiters.ts';

/** One life of a container, from start to exit. */
export type Run = {
  readonly shim: Shim;
  readonly facts: RunFacts;
  /** Resolves when its exit has been recorded. */
  readonly ended: Promise<void>;
  /** Answers its questions for names, on user-defined networks. */
  resolver?: Resolver | undefined;
  /** Its health check, while it is neither paused nor over. */
  health?: Disposable | undefined;
  /** The index that the next link in its network namespace gets, as far as we know. */
  nextLinkIndex?: number | undefined;
  /** Its end has come, or the engine's. */
  over?: boolean;
};

export type ContainerState =
  | { readonly status: 'created' }
  | { readonly status: 'running'; readonly run: Run }
  | { readonly status: 'paused'; readonly run: Run }
  /** Down, and up again when the delay is over; `cancel` keeps it down. */
  | { readonly status: 'restarting'; readonly cancel: () => void }
  | { readonly status: 'exited' }
  | { readonly status: 'removing' }
  | { readonly status: 'dead' };

/** A container: what it is, what became of it, and who waits for it. */
export class Container {
  readonly document: ContainerDocument;
  readonly facts: ContainerFacts;
  state: ContainerState;
  /** Start, exit, pause, rename and the end of removal happen one after another. */
  readonly lock = new Mutex();
  readonly stopped = new Waiters();
  readonly removed = new Waiters();
  decider: RestartDecider;
  /** Clients that attached while it did not run; the next start takes them. */
  pendingAttachments: Attachment[] = [];
  /** What the last run left in the kernel is gone when this resolves; the next start waits for it. */
  settled: Promise<void> = Promise.resolve();
  removalBegan = false;
  /** A restart by a person is under way: its exit neither removes nor restarts the container. */
  manualRestart = false;
  /** Everything of `ps` but the words for its age; undefined after a change. */
  summary: ContainerSummary | undefined;
  readonly createdNs: bigint;

  constructor(document: ContainerDocument, facts: ContainerFacts) {
    this.document = document;
    this.facts = facts;
    this.createdNs = BigInt(document.createdNs);
    this.decider = new RestartDecider(facts.restartCount);
    this.state = restingState(facts);
  }

  get id(): string {
    return this.document.id;
  }

  get name(): string {
    return this.document.name;
  }

  /** The run of a container that runs, paused or not. */
  get run(): Run | undefined {
    return this.state.status === 'running' || this.state.status === 'paused' ? this.state.run : undefined;
  }

  /** Running in Docker's sense: also while it waits for its restart. */
  get isUp(): boolean {
    return this.run !== undefined || this.state.status === 'restarting';
  }

  become(state: ContainerState): void {
    this.state = state;
    this.summary = undefined;
  }

  /** `created` or `exited`, or `dead` for one whose removal failed. */
  rest(): void {
    this.become(restingState(this.facts));
  }

  waitResult(): WaitResult {
    const { exitCode, error } = this.facts;
    return error === '' ? { StatusCode: exitCode } : { StatusCode: exitCode, Error: { Message: error } };
  }

  /** The words of `docker ps`: `Up 3 seconds`, `Exited (0) 2 minutes ago`. */
  statusText(): string {
    const { startedNs, finishedNs, exitCode } = this.facts;
    const since = (time: string | undefined): string => humanDuration(nowNs() - BigInt(time ?? '0'));
    switch (this.state.status) {
      case 'running':
        return `Up ${since(startedNs)}${this.#healthText()}`;
      case 'paused':
        return `Up ${since(startedNs)} (Paused)`;
      case 'restarting':
        return `Restarting (${exitCode}) ${since(finishedNs)} ago`;
      case 'removing':
        return 'Removal In Progress';
      case 'dead':
        return 'Dead';
      case 'created':
        return 'Created';
      case 'exited':
        return finishedNs === undefined ? '' : `Exited (${exitCode}) ${since(finishedNs)} ago`;
    }
  }

  #healthText(): string {
    const { health } = this.facts;
    if (!health) return '';
    return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
  }

  get status(): ContainerStateDocument['Status'] {
    return this.state.status;
  }
}

function restingState(facts: ContainerFacts): ContainerState {
  if (facts.dead) return { status: 'dead' };
  return facts.startedNs === undefined ? { status: 'created' } : { status: 'exited' };
}
