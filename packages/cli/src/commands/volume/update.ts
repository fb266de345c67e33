import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text } from '../../flags/flag.ts';

export const command: Command = {
  usage: '[VOLUME]',
  arity: exactly(1),
  flags: [
    {
      name: 'availability',
      kind: text,
      help: 'Cluster Volume availability ("active", "pause", "drain")',
      fallback: '"active"',
    },
  ],
  async run(context, values) {
    const engine = await context.engine();
    await engine.volumes.inspect(values.args[0] ?? '');
    throw new ExitError(1, 'can only update cluster volumes');
  },
};
