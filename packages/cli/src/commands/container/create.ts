import { atLeast, type Command } from '../../command.ts';
import { containerConfig } from '../../run/config.ts';
import { createContainer } from '../../run/create.ts';
import { containerFlags } from '../../run/flags.ts';
import { terminalSize } from '../../session.ts';

export const command: Command = {
  usage: 'IMAGE [COMMAND] [ARG...]',
  arity: atLeast(1),
  flagsFirst: true,
  pointsToHelp: 'for flags',
  flags: containerFlags,
  async run(context, values) {
    const body = containerConfig(values, false, terminalSize(context));
    const id = await createContainer(context, await context.engine(), values, body);
    context.stdout.write(`${id}\n`);
    return 0;
  },
};
