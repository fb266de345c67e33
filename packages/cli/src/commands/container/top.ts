import { atLeast, type Command } from '../../command.ts';
import { alignColumns } from '../../render/columns.ts';

export const command: Command = {
  usage: 'CONTAINER [ps OPTIONS]',
  arity: atLeast(1),
  flagsFirst: true,
  flags: [],
  async run(context, values) {
    const [name = '', ...psArgs] = values.args;
    const engine = await context.engine();
    const { Titles, Processes } = await engine.containers.top(name, psArgs.join(' '));
    const lines = [Titles, ...(Processes ?? [])].map(cells => `${cells.join('\t')}\n`);
    context.stdout.write(alignColumns(lines.join(''), 20, 3));
    return 0;
  },
};
