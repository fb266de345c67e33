import { existsSync } from 'node:fs';
import { invalidParameter } from '@gantry/errors';
import { availableCapabilities, capabilityMask, flags, rlimitNumber } from '@gantry/linux';
import type { ProcessSpec, SeccompProfile } from '@gantry/oci';
import type { Slot, Step } from '../plan/steps.ts';
import { seccompStep } from './seccomp.ts';

const { PROC_SUPER_MAGIC } = flags;

/** What a process takes while it still sees the host's /proc: its place in the order of the OOM killer, and limits. */
export function earlyProcessSteps(process: ProcessSpec, containerId: string): Step[] {
  const steps: Step[] = [{ op: 'sessionKeyring', name: `_ses.${containerId}` }];
  if (process.oomScoreAdj !== undefined) steps.push(oomScoreStep(process.oomScoreAdj));
  return steps;
}

/** Written through the host's /proc, which is no container's. */
export function oomScoreStep(score: number): Step {
  return { op: 'writeFile', path: '/proc/self/oom_score_adj', data: String(score), fsMagic: PROC_SUPER_MAGIC };
}

/** A /proc of the process's own pid namespace that nobody else can mount over (CVE-2019-16884, CVE-2025-52881). */
export function privateProcStep(slot: Slot): Step {
  return { op: 'fsMount', slot, type: 'proc', options: [['source', 'proc']], attributes: 0 };
}

/** Confines the next program by AppArmor; `proc` is a private /proc. */
export function appArmorStep(proc: Slot, profile: string): Step {
  const path = existsSync('/proc/self/attr/apparmor') ? 'thread-self/attr/apparmor/exec' : 'thread-self/attr/exec';
  return { op: 'writeFile', at: proc, path, data: `exec ${profile}`, fsMagic: PROC_SUPER_MAGIC };
}

/** The same, with a private /proc in `slot` for the time of it. */
export function appArmorSteps(slot: Slot, profile: string): Step[] {
  return [privateProcStep(slot), appArmorStep(slot, profile), { op: 'close', slot }];
}

/** @throws invalidParameter for a limit that Linux has not got */
export function rlimitSteps(limits: ProcessSpec['rlimits'] = []): Step[] {
  return limits.map(({ type, soft, hard, clamp = false }) => {
    const resource = rlimitNumber(type);
    if (resource === undefined) throw invalidParameter(`invalid rlimit type: ${type}`);
    return { op: 'rlimit', resource, soft, hard, clamp };
  });
}

/**
 * The end of every story: limits, the working directory, privileges dropped in the one order that works, the filter, and
 * the program. Installing a filter without no_new_privs needs privileges, so it comes before they are dropped; with
 * it, as late as possible.
 * @param root slot of the root, where the working directory is made if it is missing; undefined inside a running container
 */
export function finalProcessSteps(
  process: ProcessSpec,
  options: { readonly seccomp: SeccompProfile | undefined; readonly initSlot: Slot | undefined },
): Step[] {
  const { user, capabilities } = process;
  const cwd = process.cwd || '/';
  const filter = options.seccomp && seccompStep(options.seccomp);
  const steps: Step[] = [...rlimitSteps(process.rlimits)];
  if (process.noNewPrivileges) steps.push({ op: 'noNewPrivileges' });
  if (filter && !process.noNewPrivileges) steps.push(filter);
  // As root still: a directory that its user may not enter is a fine place to start in.
  steps.push({ op: 'chdir', path: cwd });
  const held = availableCapabilities();
  const mask = (names: readonly string[] = []) => capabilityMask(names) & held;
  steps.push(
    { op: 'boundingSet', mask: mask(capabilities?.bounding) },
    { op: 'user', uid: user.uid, gid: user.gid, groups: user.additionalGids ?? [] },
    {
      op: 'capabilities',
      effective: mask(capabilities?.effective),
      permitted: mask(capabilities?.permitted),
      inheritable: mask(capabilities?.inheritable),
      ambient: mask(capabilities?.ambient),
    },
    { op: 'umask', mask: user.umask ?? 0o022 },
  );
  if (filter && process.noNewPrivileges) steps.push(filter);
  steps.push(
    process.init && options.initSlot !== undefined
      ? { op: 'exec', argv: ['/sbin/docker-init', '--', ...process.args], env: process.env, slot: options.initSlot }
      : { op: 'exec', argv: process.args, env: process.env },
  );
  return steps;
}
