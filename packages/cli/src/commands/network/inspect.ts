import { atLeast, type Command } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';
import { formatFlag } from '../../flags/format.ts';
import { inspectAll } from '../../inspect.ts';

export const command: Command = {
  usage: 'NETWORK [NETWORK...]',
  arity: atLeast(1),
  flags: [formatFlag, { name: 'verbose', short: 'v', kind: toggle, help: 'Verbose output for diagnostics' }],
  run: (context, values) => inspectAll(context, values, ['network'], false),
};
