import { type Command, exactly } from '../../command.ts';
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
  /** The engine says why it cannot: only cluster volumes can be updated. */
  async run(context, values) {
    const engine = await context.engine();
    await engine.volumes.update(values.args[0] ?? '');
    return 0;
  },
};
