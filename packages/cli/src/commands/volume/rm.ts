import { atLeast, type Command } from '../../command.ts';
import { forEach } from '../../each.ts';
import { toggle } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'VOLUME [VOLUME...]',
  arity: atLeast(1),
  flags: [{ name: 'force', short: 'f', kind: toggle, help: 'Force the removal of one or more volumes' }],
  async run(context, values) {
    const engine = await context.engine();
    return forEach(context, values.args, name => engine.volumes.remove(name, values.on('force')));
  },
};
