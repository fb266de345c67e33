import { atLeast, type Command } from '../../command.ts';
import { formatFlag } from '../../flags/format.ts';
import { inspectAll } from '../../inspect.ts';

export const command: Command = {
  usage: 'VOLUME [VOLUME...]',
  arity: atLeast(1),
  flags: [formatFlag],
  run: (context, values) => inspectAll(context, values, ['volume'], false),
};
