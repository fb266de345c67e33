import { ApiError, type Hijacked, type StartExplanation, type WaitResult } from '@gantry/client';
import { atLeast, type Command, type Context } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { containerConfig } from '../../run/config.ts';
import { createContainer } from '../../run/create.ts';
import { explainFlag, showStart, startContainer } from '../../run/explain.ts';
import { containerFlags } from '../../run/flags.ts';
import { checkTty, detachSequence, followSize, proxySignals, runSession, terminalSize } from '../../session.ts';

export const command: Command = {
  usage: 'IMAGE [COMMAND] [ARG...]',
  arity: atLeast(1),
  flagsFirst: true,
  pointsToHelp: 'always',
  flags: [
    ...containerFlags,
    { name: 'detach', short: 'd', kind: toggle, help: 'Run container in background and print container ID' },
    { name: 'detach-keys', kind: text, help: 'Override the key sequence for detaching a container' },
    explainFlag,
    { name: 'sig-proxy', kind: toggle, help: 'Proxy received signals to the process', fallback: 'true' },
  ],
  async run(context, values) {
    const detached = values.on('detach');
    const body = containerConfig(values, detached, terminalSize(context));
    const {
      AttachStdin: stdin = false,
      AttachStdout: stdout = false,
      AttachStderr: stderr = false,
      Tty: tty = false,
    } = body;
    const explain = values.on('explain');
    const detachKeys = values.text('detach-keys') || undefined;
    if (!detached) checkTty(context, { stdin, tty });
    if (detachKeys !== undefined) detachSequence(detachKeys);
    const engine = await context.engine();
    const id = await createContainer(context, engine, values, body);
    using _proxy =
      values.on('sig-proxy', true) && !detached
        ? proxySignals(signal => engine.containers.kill(id, signal))
        : undefined;
    const attached = stdin || stdout || stderr;
    if (!attached) {
      context.stdout.write(`${id}\n`);
      await showStart(context, await start(context, () => startContainer(engine, id, { explain })));
      return 0;
    }
    const condition = values.on('rm') ? 'removed' : 'next-exit';
    const [stream, { ended }] = await Promise.all([
      engine.containers.attach(id, { stdin, stdout, stderr, detachKeys }, { tty }),
      engine.containers.wait(id, condition),
    ]);
    // The session listens before the container starts, so that no output waits.
    const session = runSession(context, stream, { stdin, stdout, stderr, tty, detachKeys });
    session.catch(() => {});
    let explanation: StartExplanation | undefined;
    try {
      explanation = await start(context, () => startContainer(engine, id, { explain }));
    } catch (error) {
      stream[Symbol.dispose]();
      // With --rm the engine removes what could not start: an error that is shown after that leaves nothing behind.
      if (values.on('rm')) await ended.catch(() => {});
      throw error;
    }
    using _size = tty ? followSize(context, (rows, columns) => engine.containers.resize(id, rows, columns)) : undefined;
    const end = await session;
    await showStart(context, explanation);
    if (end === 'detached') return leave(stream);
    return exitStatus(await ended);
  },
};

function leave(stream: Hijacked): number {
  stream[Symbol.dispose]();
  return 0;
}

/** The status of a container that ended. @throws ExitError when the engine lost it */
function exitStatus(result: WaitResult): number {
  if (result.Error?.Message) throw new ExitError(125, `Error response from daemon: ${result.Error.Message}`);
  return result.StatusCode;
}

/** A failed start tells by its status why: 127 no such program, 126 not one that may run, 125 anything else. */
async function start<T>(context: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { describe } = await import('../../describe-error.ts');
    throw new ExitError(startStatus(error.message), describe(error, context.globals));
  }
}

function startStatus(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message))
    return 127;
  if (/permission denied|is a directory/.test(message)) return 126;
  return 125;
}
