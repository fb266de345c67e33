import { readFileSync, writeFileSync } from 'node:fs';

/** Of the scale of nice(2): about nine times the share of those who have not asked. */
const AUTOGROUP_NICE = -10;

/**
 * Gives the engine's own session (this process, its launcher) more weight against the others' when all of them want the processor:
 * thirty clients and their containers keep two cores busy, and an event loop that waits behind them answers nobody. The daemon only
 * where it leads its session, since a terminal's other commands would be raised with it. Shims and containers have sessions and
 * cgroups of their own. Where the kernel groups by cgroup, the service unit's CPUWeight says the same; without the right to raise
 * itself the daemon runs on as it is.
 * @see sched(7), "The autogroup feature"
 */
export function weighAgainstOtherSessions(): void {
  try {
    // pid, (comm), state, ppid, pgrp, session: the name may hold blanks and parentheses.
    const stat = readFileSync('/proc/self/stat', 'latin1');
    const session = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
    if (session === process.pid) writeFileSync('/proc/self/autogroup', String(AUTOGROUP_NICE));
  } catch {
    // A kernel without autogroups, or one that does not let us.
  }
}
