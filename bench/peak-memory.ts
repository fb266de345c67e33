import { readFileSync, writeFileSync } from 'node:fs';

/** What some processes hold in memory at most while something happens, as the kernel counts it: no moment is missed. */
export class PeakMemory {
  readonly #before: ReadonlyMap<number, number>;

  /** Begins to count. @see proc_pid_clear_refs(5): 5 sets the peak to what is held now */
  constructor(pids: readonly number[]) {
    for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
    this.#before = new Map(pids.map(pid => [pid, residentMb(pid, 'VmRSS')]));
  }

  /**
   * Megabytes above the beginning: the sum of every process's own peak, so never too little. Processes that began since
   * count whole, but for one that is gone again.
   */
  grownMb(pids: readonly number[]): number {
    return pids.reduce((sum, pid) => sum + residentMb(pid, 'VmHWM') - (this.#before.get(pid) ?? 0), 0);
  }
}

function residentMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
}
