import { notFound } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import type { ExecInspect } from '../documents/index.ts';

/** @throws notFound `No such exec instance: X` */
export function inspectExec(context: EngineContext, id: string): ExecInspect {
  const exec = context.execs.get(id);
  if (!context.containers.get(exec.containerId)) throw notFound(`No such exec instance: ${id}`);
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
