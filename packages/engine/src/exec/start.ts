import { conflict, GantryError, messageOf, notFound } from '@gantry/errors';
import type { Attachment, ClientConnection } from '@gantry/runtime';
import { streamOf } from '../containers/attachments.ts';
import type { Container } from '../containers/container.ts';
import { notRunning } from '../containers/kill.ts';
import { linkedParts } from '../containers/links.ts';
import { specContainer } from '../containers/spec-container.ts';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import type { PreparedAttach } from '../engine.ts';
import { buildExec } from '../spec/index.ts';
import { execEvent, throwUnlessActive } from './create.ts';
import type { ExecRecord } from './registry.ts';

const EXEC_TIMEOUT_MS = 60_000;

/** Starts an exec without a client. @throws conflict when it ran already, GantryError with exitCode 126 or 127 */
export async function startDetached(context: EngineContext, id: string): Promise<void> {
  const { exec, container } = claim(context, id);
  await runExec(context, container, exec, undefined, []);
}

/** Checks an exec; its process starts when the client is connected. An error after that is written to the client. */
export function startAttached(
  context: EngineContext,
  id: string,
  options: { readonly tty: boolean; readonly consoleSize?: readonly [height: number, width: number] },
): PreparedAttach {
  const { exec, container } = claim(context, id);
  const { config } = exec;
  return {
    tty: config.Tty,
    connect: async connection => {
      const attachment: Attachment = {
        connection,
        options: {
          stdin: config.AttachStdin,
          stdout: config.AttachStdout,
          stderr: config.AttachStderr,
          detachKeys: parseDetachKeys(config.DetachKeys),
          multiplexed: !config.Tty,
        },
      };
      try {
        await runExec(context, container, exec, options.consoleSize, [attachment]);
      } catch (error) {
        tellClient(connection, config.Tty, `${messageOf(error)}\r\n`);
      }
    },
  };
}

/** The exec and its container, marked as started: no second start gets through. */
function claim(context: EngineContext, id: string): { exec: ExecRecord; container: Container } {
  const exec = context.execs.get(id);
  const container = context.containers.get(exec.containerId);
  if (!container) throw notFound(`No such container: ${id}`);
  throwUnlessActive(container, container.id);
  if (exec.state.status === 'ended') throw conflict(`exec command ${id} has already run`);
  if (exec.state.status === 'running') throw conflict(`exec command ${id} is already running`);
  exec.state = { status: 'running', pid: 0 };
  return { exec, container };
}

/** As dockerd has it, of now; a container that does not run any more tells nothing. */
function linkedEnvironment(context: EngineContext, container: Container): readonly string[] {
  try {
    return linkedParts(context, container).env;
  } catch {
    return [];
  }
}

/** Runs an exec that is marked as started. */
export function runExec(
  context: EngineContext,
  container: Container,
  exec: ExecRecord,
  consoleSize: readonly [height: number, width: number] | undefined,
  attachments: readonly Attachment[],
): Promise<void> {
  return context.jobs.run('exec.start', exec.id, async job => {
    execEvent(context, container, exec, 'exec_start');
    try {
      const { run: containerRun } = container;
      if (!containerRun) throw notRunning(container);
      const { shim } = containerRun;
      using cleanup = new DisposableStack();
      const rootFd = await job.span('get the root', () => shim.rootDescriptor());
      cleanup.defer(() => closeDescriptor(rootFd));
      const built = await job.span('compile the plan', () =>
        buildExec({
          container: specContainer(context, container),
          linkedEnv: linkedEnvironment(context, container),
          exec: consoleSize ? { ...exec.config, ConsoleSize: [...consoleSize] } : exec.config,
          rootFd,
          daemon: context.options.defaults,
          cgroup: context.options.cgroup,
          initPid: shim.pid,
        }),
      );
      cleanup.defer(() => built.dispose());
      const { pid, exited } = await job.span('exec', () =>
        shim.exec({
          id: exec.id,
          plan: built.plan,
          slots: built.slots,
          stdio: built.stdio,
          attachments,
          timeoutMs: EXEC_TIMEOUT_MS,
        }),
      );
      void context.inBackground(`save exec ${exec.id}`, context.storage.insertExec(exec));
      exec.state = { status: 'running', pid, ended: watchExec(context, container, exec, pid, exited) };
    } catch (error) {
      const exitCode = error instanceof GantryError ? (error.exitCode ?? 126) : 126;
      context.execs.end(exec, 0, exitCode);
      throw error;
    } finally {
      exec.begun.resolve();
    }
  });
}

/** Records the end of an exec when it comes; a lost shim is told of by the end of its container. */
export function watchExec(
  context: EngineContext,
  container: Container,
  exec: ExecRecord,
  pid: number,
  exited: Promise<{ readonly code: number }>,
): Promise<void> {
  const ended = exited.then(
    ({ code }) => code,
    () => 137,
  );
  return ended.then(exitCode => {
    if (context.phase === 'closed') return;
    if (exec.state.status !== 'ended') context.execs.end(exec, pid, exitCode);
    context.containerEvent(container, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
  });
}

const STDOUT = 1;

/** The client has its 101 already: the text goes into its stream. */
function tellClient(connection: ClientConnection, tty: boolean, text: string): void {
  const stream = streamOf(connection);
  if (stream.destroyed || !stream.writable) return;
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(tty ? 0 : 8);
  if (!tty) {
    head.writeUInt8(STDOUT, 0);
    head.writeUInt32BE(bytes.length, 4);
  }
  stream.end(Buffer.concat([head, bytes]));
}
