import { notFound } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import type { ExecInspect } from '../documents/index.ts';
import { timeout } from '../timeout.ts';

/** @throws notFound `No such exec instance: X` */
export async function inspectExec(context: EngineContext, id: string): Promise<ExecInspect> {
  const exec = context.execs.get(id);
  if (!context.containers.get(exec.containerId)) throw notFound(`No such exec instance: ${id}`);
  if (exec.state.status === 'running' && exec.state.ended && !isAlive(exec.state.pid)) {
    // Its client may have seen the end of the output before the shim's word has reached this engine.
    await timeout(exec.state.ended, 1000);
  }
  const { config, state } = exec;
  const [entrypoint = '', ...args] = config.Cmd;
  return {
    ID: id,
    Running: state.status === 'running',
    ExitCode: state.status === 'ended' ? state.exitCode : null,
    ProcessConfig: {
      tty: config.Tty,
      entrypoint,
      arguments: args,
      privileged: config.Privileged,
      ...(config.User === '' ? {} : { user: config.User }),
    },
    OpenStdin: config.AttachStdin,
    OpenStderr: config.AttachStderr,
    OpenStdout: config.AttachStdout,
    CanRemove: false,
    ContainerID: exec.containerId,
    DetachKeys: config.DetachKeys === '' ? '' : Buffer.from(parseDetachKeys(config.DetachKeys)).toString('base64'),
    Pid: state.status === 'created' ? 0 : state.pid,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
