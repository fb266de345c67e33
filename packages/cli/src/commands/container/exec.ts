import { atLeast, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { list, text, toggle } from '../../flags/flag.ts';
import { environment } from '../../run/environment.ts';
import * as kinds from '../../run/kinds.ts';
import { checkTty, detachSequence, followSize, runSession, terminalSize } from '../../session.ts';

export const command: Command = {
  usage: 'CONTAINER COMMAND [ARG...]',
  arity: atLeast(2),
  flagsFirst: true,
  flags: [
    { name: 'detach', short: 'd', kind: toggle, help: 'Detached mode: run command in the background' },
    { name: 'detach-keys', kind: text, help: 'Override the key sequence for detaching a container' },
    { name: 'env', short: 'e', kind: kinds.environment, help: 'Set environment variables' },
    { name: 'env-file', kind: list, help: 'Read in a file of environment variables' },
    { name: 'interactive', short: 'i', kind: toggle, help: 'Keep STDIN open even if not attached' },
    { name: 'privileged', kind: toggle, help: 'Give extended privileges to the command' },
    { name: 'tty', short: 't', kind: toggle, help: 'Allocate a pseudo-TTY' },
    { name: 'user', short: 'u', kind: text, help: 'Username or UID (format: "<name|uid>[:<group|gid>]")' },
    { name: 'workdir', short: 'w', kind: text, help: 'Working directory inside the container' },
  ],
  async run(context, values) {
    const [name = '', ...words] = values.args;
    const detached = values.on('detach');
    const tty = values.on('tty');
    const stdin = !detached && values.on('interactive');
    const detachKeys = values.text('detach-keys') || undefined;
    if (detachKeys !== undefined) detachSequence(detachKeys);
    const variables = variablesOf(values.list('env-file'), values.list('env'));
    if (!detached) checkTty(context, { stdin, tty });
    const size = tty ? terminalSize(context) : undefined;
    const known = size && size[0] > 0 ? size : undefined;
    const engine = await context.engine();
    const { Id } = await engine.execs.create(name, {
      User: values.text('user') ?? '',
      Privileged: values.on('privileged'),
      Tty: tty,
      ...(known ? { ConsoleSize: [known[0], known[1]] as [number, number] } : {}),
      AttachStdin: stdin,
      AttachStderr: !detached,
      AttachStdout: !detached,
      DetachKeys: detachKeys ?? '',
      Env: variables.length > 0 ? variables : null,
      WorkingDir: values.text('workdir') ?? '',
      Cmd: words,
    });
    if (detached) {
      await engine.execs.startDetached(Id);
      return 0;
    }
    const stream = await engine.execs.startAttached(Id, { tty, ...(known ? { size: known } : {}) });
    using _size = tty ? followSize(context, (rows, columns) => engine.execs.resize(Id, rows, columns)) : undefined;
    const end = await runSession(context, stream, { stdin, stdout: true, stderr: true, tty, detachKeys });
    if (end === 'detached') {
      stream[Symbol.dispose]();
      throw new ExitError(1, 'read escape sequence');
    }
    return (await engine.execs.inspect(Id)).ExitCode ?? 0;
  },
};

function variablesOf(files: readonly string[], given: readonly string[]): string[] {
  try {
    return environment(files, given, process.env);
  } catch (error) {
    throw new ExitError(1, error instanceof Error ? error.message : String(error));
  }
}
