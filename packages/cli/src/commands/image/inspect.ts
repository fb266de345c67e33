import { atLeast, type Command } from '../../command.ts';
import { text } from '../../flags/flag.ts';
import { formatFlag } from '../../flags/format.ts';
import { inspectAll } from '../../inspect.ts';

export const command: Command = {
  usage: 'IMAGE [IMAGE...]',
  arity: atLeast(1),
  flags: [
    formatFlag,
    {
      name: 'platform',
      kind: text,
      help: 'Inspect a specific platform of the multi-platform image (os/arch[/variant])',
    },
  ],
  run: (context, values) => inspectAll(context, values, ['image'], false),
};
