import { atLeast, type Command } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';
import { formatFlag } from '../../flags/format.ts';
import { inspectAll } from '../../inspect.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [formatFlag, { name: 'size', short: 's', kind: toggle, help: 'Display total file sizes' }],
  run: (context, values) => inspectAll(context, values, ['container'], false),
};
