import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { LaunchPlan, LaunchTrace } from '../launch.ts';

const TIME_SIZE = 8;

/** A hold on a traced plan's memory file, behind which the shim writes its times (native/trace.c). */
export class TraceFile implements Disposable {
  readonly #fd: number;
  readonly #planBytes: number;

  constructor(planFd: number) {
    this.#fd = openSync(`/proc/self/fd/${planFd}`, 'r');
    this.#planBytes = fstatSync(this.#fd).size;
  }

  /** Undefined when the shim wrote nothing. */
  read(plan: LaunchPlan): LaunchTrace | undefined {
    const count = plan.prepare.length + plan.parent.length + plan.child.length + 4;
    const buffer = Buffer.alloc(count * TIME_SIZE);
    if (readSync(this.#fd, buffer, 0, buffer.length, this.#planBytes) !== buffer.length) return undefined;
    let at = 0;
    const next = (): bigint => buffer.readBigUInt64LE(TIME_SIZE * at++);
    const section = (steps: readonly unknown[]): bigint[] => steps.map(next);
    return {
      receivedNs: next(),
      prepareNs: section(plan.prepare),
      cloneNs: next(),
      parentNs: section(plan.parent),
      parentEndNs: next(),
      childNs: section(plan.child),
      runningNs: next(),
    };
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
