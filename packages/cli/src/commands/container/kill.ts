import { atLeast, type Command } from '../../command.ts';
import { forEach } from '../../each.ts';
import { text } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [{ name: 'signal', short: 's', kind: text, help: 'Signal to send to the container' }],
  async run(context, values) {
    const engine = await context.engine();
    return forEach(context, values.args, name => engine.containers.kill(name, values.text('signal')));
  },
};
