import type { EngineClient, StartExplanation } from '@gantry/client';
import { atLeast, type Command, type Context } from '../../command.ts';
import { describe } from '../../describe-error.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import type { Values } from '../../flags/parse.ts';
import { explainFlag, showStart, startContainer } from '../../run/explain.ts';
import { checkTty, detachSequence, followSize, proxySignals, runSession } from '../../session.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [
    { name: 'attach', short: 'a', kind: toggle, help: 'Attach STDOUT/STDERR and forward signals' },
    { name: 'detach-keys', kind: text, help: 'Override the key sequence for detaching a container' },
    explainFlag,
    { name: 'interactive', short: 'i', kind: toggle, help: "Attach container's STDIN" },
  ],
  async run(context, values) {
    const attached = values.on('attach') || values.on('interactive');
    if (attached && values.args.length > 1)
      throw new ExitError(1, 'you cannot start and attach multiple containers at once');
    const engine = await context.engine();
    return attached
      ? startAttached(context, engine, values)
      : startAll(context, engine, values.args, values.on('explain'));
  },
};

async function startAll(
  context: Context,
  engine: EngineClient,
  names: readonly string[],
  explain: boolean,
): Promise<number> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      const explanation = await startContainer(engine, name, { explain });
      context.stdout.write(`${name}\n`);
      await showStart(context, explanation);
    } catch (error) {
      context.stderr.write(`${describe(error, context.globals)}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new ExitError(1, `Error: failed to start containers: ${failed.join(', ')}`);
  return 0;
}

async function startAttached(context: Context, engine: EngineClient, values: Values): Promise<number> {
  const [name = ''] = values.args;
  const detachKeys = values.text('detach-keys') || undefined;
  if (detachKeys !== undefined) detachSequence(detachKeys);
  const { Id, Config, HostConfig } = await engine.containers.inspect(name);
  const tty = Config.Tty;
  const stdin = values.on('interactive') && Config.OpenStdin;
  checkTty(context, { stdin, tty });
  using _proxy = tty ? undefined : proxySignals(signal => engine.containers.kill(Id, signal));
  const [stream, { ended }] = await Promise.all([
    engine.containers.attach(Id, { stdin, stdout: true, stderr: true, detachKeys }, { tty }),
    engine.containers.wait(Id, HostConfig.AutoRemove ? 'removed' : 'next-exit'),
  ]);
  const session = runSession(context, stream, { stdin, stdout: true, stderr: true, tty, detachKeys });
  session.catch(() => {});
  let explanation: StartExplanation | undefined;
  try {
    explanation = await startContainer(engine, Id, { explain: values.on('explain'), detachKeys });
  } catch (error) {
    stream[Symbol.dispose]();
    throw error;
  }
  using _size = tty ? followSize(context, (rows, columns) => engine.containers.resize(Id, rows, columns)) : undefined;
  const end = await session;
  await showStart(context, explanation);
  if (end === 'detached') {
    stream[Symbol.dispose]();
    return 0;
  }
  const { StatusCode, Error: failure } = await ended;
  if (failure?.Message) throw new ExitError(1, failure.Message);
  return StatusCode;
}
