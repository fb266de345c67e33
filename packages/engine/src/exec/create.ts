import { randomBytes } from 'node:crypto';
import { conflict, invalidParameter, messageOf, systemError } from '@gantry/errors';
import type { Container, Run } from '../containers/container.ts';
import { notRunning } from '../containers/kill.ts';
import { specContainer } from '../containers/spec-container.ts';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import type { ExecConfig } from '../documents/index.ts';
import { checkExecUser } from '../spec/index.ts';
import type { ExecRecord } from './registry.ts';

/** Registers another process of a container that runs. @throws conflict unless it runs, invalidParameter */
export async function createExec(
  context: EngineContext,
  container: Container,
  config: ExecConfig,
  ref: string,
): Promise<{ Id: string }> {
  throwUnlessActive(container, ref);
  if (config.Cmd.length === 0) throw invalidParameter('No exec command specified');
  checkDetachKeys(config.DetachKeys);
  const { document } = container;
  if (config.User !== '' && container.run) await checkUser(context, container, container.run, config.User);
  const exec: ExecRecord = {
    id: randomBytes(32).toString('hex'),
    containerId: document.id,
    config: {
      ...config,
      User: config.User || document.config.User,
      WorkingDir: config.WorkingDir || document.config.WorkingDir,
    },
    begun: Promise.withResolvers(),
    state: { status: 'created' },
  };
  context.execs.add(exec);
  execEvent(context, container, exec, 'exec_create');
  return { Id: exec.id };
}

/** @throws system in dockerd's words, which are others than those for attach */
function checkDetachKeys(keys: string): void {
  if (keys === '') return;
  try {
    parseDetachKeys(keys);
  } catch (cause) {
    throw systemError(`Invalid escape keys (${keys}) provided`, { cause });
  }
}

async function checkUser(context: EngineContext, container: Container, { shim }: Run, user: string): Promise<void> {
  const rootFd = await shim.rootDescriptor();
  try {
    checkExecUser(specContainer(context, container), user, rootFd);
  } catch (error) {
    throw invalidParameter(messageOf(error), { cause: error });
  } finally {
    closeDescriptor(rootFd);
  }
}

/** @throws conflict unless the container runs, and is neither paused nor restarting */
export function throwUnlessActive(container: Container, ref: string): void {
  switch (container.state.status) {
    case 'running':
      return;
    case 'paused':
      throw conflict(`Container ${ref} is paused, unpause the container before exec`);
    case 'restarting':
      throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
    default:
      throw notRunning(container);
  }
}

export function execEvent(
  context: EngineContext,
  container: Container,
  exec: ExecRecord,
  action: 'exec_create' | 'exec_start',
): void {
  const [entrypoint = '', ...args] = exec.config.Cmd;
  context.containerEvent(container, `${action}: ${entrypoint} ${args.join(' ')}`, { execID: exec.id });
}
