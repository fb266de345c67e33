import { systemError } from '@gantry/errors';
import { compileExec, type LaunchPlan, type Stdio } from '@gantry/runtime';
import type { EngineDefaults } from '../defaults.ts';
import type { ExecConfig } from '../documents/index.ts';
import { allCapabilities, containerCapabilities } from './capabilities.ts';
import { type CgroupLayout, containerCgroup } from './cgroup.ts';
import { containerEnvironment, overrideEnvironment } from './environment.ts';
import type { SpecContainer } from './model.ts';
import { processSpec } from './process.ts';
import { containerSecurity } from './security.ts';
import { findUser, readAccountFiles } from './user.ts';

export type BuiltExec = {
  readonly plan: Pick<LaunchPlan, 'child' | 'prepare' | 'cgroupPath'>;
  readonly slots: readonly number[];
  readonly stdio: Stdio;
  dispose(): void;
};

/** Checks that an exec's user exists in the container, for an early answer at its creation. @throws systemError */
export function checkExecUser(container: SpecContainer, user: string, rootFd: number): void {
  if (user !== '') findUser(user, container.hostConfig.GroupAdd ?? [], readAccountFiles(rootFd));
}

/**
 * Turns an exec into the plan of its process, which is confined as the container is.
 * @param input.rootFd the container's root (Shim.rootDescriptor); stays the caller's
 * @throws systemError `unable to find user X: no matching entries in passwd file`
 */
export async function buildExec(input: {
  readonly container: SpecContainer;
  readonly exec: ExecConfig;
  /** Variables of links. */
  readonly linkedEnv?: readonly string[];
  readonly rootFd: number;
  readonly daemon: EngineDefaults;
  readonly cgroup: CgroupLayout;
  /** Pid of the container's first process, whose cgroup an exec joins when it is one below the container's. */
  readonly initPid?: number;
}): Promise<BuiltExec> {
  const { container, exec, daemon } = input;
  const { config, hostConfig } = container;
  const own = containerCapabilities(hostConfig);
  const security = containerSecurity(hostConfig, daemon, own);
  const cwd = exec.WorkingDir || config.WorkingDir;
  if (cwd !== '' && !cwd.startsWith('/')) {
    throw systemError('OCI runtime exec failed: exec failed: Cwd must be an absolute path', {
      exitCode: 128,
      hint: `begin the working directory ${cwd} with a slash`,
    });
  }
  const process = processSpec({
    args: exec.Cmd,
    env: overrideEnvironment(
      containerEnvironment({ hostname: config.Hostname, env: config.Env }, exec.Tty, input.linkedEnv),
      exec.Env ?? [],
    ),
    cwd,
    tty: exec.Tty,
    consoleSize: exec.ConsoleSize ?? undefined,
    user: findUser(exec.User || config.User, hostConfig.GroupAdd ?? [], readAccountFiles(input.rootFd)),
    capabilities: exec.Privileged ? allCapabilities() : own,
    security,
    hostConfig,
    daemon,
  });
  const plan = compileExec(process, {
    nextSlot: 0,
    cgroup: input.cgroup,
    cgroupsPath: containerCgroup(container.id, hostConfig.CgroupParent, daemon.cgroupParent),
    seccomp: security.seccomp,
    ...(input.initPid === undefined ? {} : { initPid: input.initPid }),
  });
  return {
    plan,
    slots: [],
    stdio: { tty: exec.Tty, openStdin: exec.AttachStdin, stdinOnce: true },
    dispose: () => {},
  };
}
