import { atLeast, type Command } from '../../command.ts';
import { formatFlag } from '../../flags/format.ts';
import { inspectAll } from '../../inspect.ts';

export const command: Command = {
  usage: 'IMAGE [IMAGE...]',
  arity: atLeast(1),
  flags: [formatFlag],
  run: (context, values) => inspectAll(context, values, ['image'], false),
};
