import { basename } from 'node:path';
import { type CgroupLayout, cgroup } from '@gantry/linux';
import type { ProcessSpec, SeccompProfile } from '@gantry/oci';
import type { LaunchPlan } from '../launch.ts';
import type { Slot, Step } from '../plan/steps.ts';
import { appArmorSteps, earlyProcessSteps, finalProcessSteps } from './process.ts';

export type ExecOptions = {
  readonly cgroup: CgroupLayout;
  /** The container's, as linux.cgroupsPath. */
  readonly cgroupsPath: string;
  /** None for a privileged exec. */
  readonly seccomp: SeccompProfile | undefined;
  /** The first slot that the plan may use. */
  readonly nextSlot: Slot;
  /** Pid of the container's first process, which may have cgroups of its own. */
  readonly initPid?: number;
};

/**
 * Compiles one more process of a running container. Its `prepare` is run by a process that sees the host and then joins the
 * container's namespaces, `child` by the child of that one, which is born inside.
 */
export function compileExec(
  process: ProcessSpec,
  options: ExecOptions,
): Pick<LaunchPlan, 'prepare' | 'child' | 'cgroupPath'> {
  const { cgroup: layout, cgroupsPath } = options;
  const prepare: Step[] = [];
  if (layout.version === 1) {
    for (const directory of cgroup.cgroupDirectories(layout, cgroupsPath)) {
      prepare.push({ op: 'writeFile', path: `${directory}/tasks`, data: '0' });
    }
  }
  prepare.push(...earlyProcessSteps(process, basename(cgroupsPath)));

  const child: Step[] = [{ op: 'setsid' }];
  if (process.terminal) {
    const { height: rows = 0, width: columns = 0 } = process.consoleSize ?? {};
    child.push({ op: 'console', ptmx: '/dev/ptmx', rows, columns, uid: process.user.uid });
  }
  if (process.apparmorProfile) child.push(...appArmorSteps(options.nextSlot, process.apparmorProfile));
  child.push(...finalProcessSteps(process, { seccomp: options.seccomp, initSlot: undefined }));
  if (layout.version === 1) return { prepare, child };
  return { prepare, child, cgroupPath: cgroup.joinableDirectory(layout, cgroupsPath, options.initPid) };
}
