import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { cgroup } from '@gantry/linux';
import type { Step } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import type { RunFacts } from './document.ts';

const { ENOENT } = constants.errno;
const RUN_FILES = ['exit', '.exit.new', 'shim.sock'];

/**
 * Removes what a run left: its cgroups and its run directory. In most cases that is one message to the launcher's
 * helper and nothing on this thread; where something is in the way, it is looked at closer.
 */
export async function cleanUpRun(context: EngineContext, container: Container, run: RunFacts): Promise<void> {
  const { cgroup: layout, launcher } = context.options;
  const runDir = context.runDir(container.id);
  const steps: Step[] = [
    ...cgroup.cgroupDirectories(layout, run.cgroupPath).map((path): Step => ({ op: 'rmdir', path, ignore: [ENOENT] })),
    ...RUN_FILES.map((name): Step => ({ op: 'unlink', path: join(runDir, name), ignore: [ENOENT] })),
    { op: 'rmdir', path: runDir, ignore: [ENOENT] },
  ];
  // Processes of a shared pid namespace outlive the container's first one.
  if (container.document.hostConfig.PidMode !== '') await cgroup.killAll(layout, run.cgroupPath);
  try {
    await launcher.run(steps);
  } catch {
    // A process that is just ending, or cgroups that a privileged container made below its own.
    await cgroup.removeCgroup(layout, run.cgroupPath);
    await rm(runDir, { recursive: true, force: true });
  }
}
