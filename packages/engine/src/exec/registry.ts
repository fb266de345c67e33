import { notFound } from '@gantry/errors';
import type { ExecConfig } from '../documents/index.ts';

export type ExecState =
  | { readonly status: 'created' }
  /** `ended` resolves when its exit status has been recorded. */
  | { readonly status: 'running'; readonly pid: number; readonly ended?: Promise<void> }
  | { readonly status: 'ended'; readonly pid: number; readonly exitCode: number };

/** One more process of a container. */
export type ExecRecord = {
  readonly id: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  /** Resolves when its start has succeeded or failed. */
  readonly begun: PromiseWithResolvers<void>;
  state: ExecState;
};

/** Ended execs can be inspected for this long. */
export const ENDED_KEPT_MS = 5 * 60_000;
/** Execs that were created and never started, or ended, are kept up to this number. */
const KEPT = 4096;

/** The execs of all containers, ended ones for a while. */
export class ExecRegistry {
  readonly #byId = new Map<string, ExecRecord>();
  readonly #byContainer = new Map<string, Set<ExecRecord>>();
  readonly #ended: { readonly exec: ExecRecord; readonly atMs: number }[] = [];
  readonly #forgotten: (ids: readonly string[]) => void;

  /** @param forgotten is told of ended execs that cannot be inspected any more */
  constructor(forgotten: (ids: readonly string[]) => void = () => {}) {
    this.#forgotten = forgotten;
  }

  add(exec: ExecRecord): void {
    this.#forgetOld();
    this.#byId.set(exec.id, exec);
    const known = this.#byContainer.get(exec.containerId);
    if (known) known.add(exec);
    else this.#byContainer.set(exec.containerId, new Set([exec]));
  }

  /** @throws notFound `No such exec instance: X` */
  get(id: string): ExecRecord {
    const exec = this.#byId.get(id);
    if (!exec) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }

  /** Ids of the execs that have not ended, null when there is none, as inspect shows them. */
  idsOf(containerId: string): string[] | null {
    const ids = [...(this.#byContainer.get(containerId) ?? [])].filter(exec => exec.state.status !== 'ended');
    return ids.length === 0 ? null : ids.map(exec => exec.id);
  }

  end(exec: ExecRecord, pid: number, exitCode: number): void {
    exec.state = { status: 'ended', pid, exitCode };
    this.#ended.push({ exec, atMs: performance.now() });
  }

  /** The container's process ended: so did all of its execs. */
  endAllOf(containerId: string): void {
    for (const exec of this.#byContainer.get(containerId) ?? []) {
      if (exec.state.status === 'running') this.end(exec, exec.state.pid, 137);
      if (exec.state.status === 'created') this.end(exec, 0, 0);
    }
  }

  removeAllOf(containerId: string): void {
    for (const exec of this.#byContainer.get(containerId) ?? []) this.#byId.delete(exec.id);
    this.#byContainer.delete(containerId);
  }

  #forgetOld(): void {
    const oldest = performance.now() - ENDED_KEPT_MS;
    let count = 0;
    for (const { atMs } of this.#ended) {
      if (atMs > oldest && this.#ended.length - count <= KEPT) break;
      count++;
    }
    if (count === 0) return;
    const old = this.#ended.splice(0, count);
    for (const { exec } of old) {
      this.#byId.delete(exec.id);
      this.#byContainer.get(exec.containerId)?.delete(exec);
    }
    this.#forgotten(old.map(({ exec }) => exec.id));
  }
}
