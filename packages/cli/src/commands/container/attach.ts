import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { checkTty, detachSequence, followSize, proxySignals, runSession } from '../../session.ts';

export const command: Command = {
  usage: 'CONTAINER',
  arity: exactly(1),
  flags: [
    { name: 'detach-keys', kind: text, help: 'Override the key sequence for detaching a container' },
    { name: 'no-stdin', kind: toggle, help: 'Do not attach STDIN' },
    { name: 'sig-proxy', kind: toggle, help: 'Proxy all received signals to the process', fallback: 'true' },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const detachKeys = values.text('detach-keys') || undefined;
    if (detachKeys !== undefined) detachSequence(detachKeys);
    const engine = await context.engine();
    const { Id, State, Config } = await engine.containers.inspect(name);
    if (!State.Running) throw new ExitError(1, 'You cannot attach to a stopped container, start it first');
    if (State.Paused) throw new ExitError(1, 'You cannot attach to a paused container, unpause it first');
    if (State.Restarting)
      throw new ExitError(1, 'You cannot attach to a restarting container, wait until it is running');
    const tty = Config.Tty;
    const stdin = !values.on('no-stdin') && Config.OpenStdin;
    checkTty(context, { stdin, tty });
    using _proxy =
      values.on('sig-proxy', true) && !tty ? proxySignals(signal => engine.containers.kill(Id, signal)) : undefined;
    const [stream, { ended }] = await Promise.all([
      engine.containers.attach(Id, { stdin, stdout: true, stderr: true, detachKeys }, { tty }),
      engine.containers.wait(Id, 'not-running'),
    ]);
    using _size = tty
      ? followSize(context, (rows, columns) => engine.containers.resize(Id, rows, columns), { redraw: true })
      : undefined;
    if ((await runSession(context, stream, { stdin, stdout: true, stderr: true, tty, detachKeys })) === 'detached') {
      stream[Symbol.dispose]();
      throw new ExitError(1, 'read escape sequence');
    }
    const { StatusCode, Error: failure } = await ended;
    if (failure?.Message) throw new ExitError(1, failure.Message);
    return StatusCode;
  },
};
