import { atLeast, type Command } from '../../command.ts';
import { forEach } from '../../each.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [],
  async run(context, values) {
    const engine = await context.engine();
    return forEach(context, values.args, name => engine.containers.unpause(name));
  },
};
