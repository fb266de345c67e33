import { ApiError } from '@gantry/client';
import { atLeast, type Command } from '../../command.ts';
import { describe } from '../../describe-error.ts';
import { ExitError } from '../../errors.ts';
import { toggle } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'NETWORK [NETWORK...]',
  arity: atLeast(1),
  flags: [{ name: 'force', short: 'f', kind: toggle, help: 'Do not error if the network does not exist' }],
  async run(context, values) {
    const engine = await context.engine();
    const errors: string[] = [];
    for (const name of values.args) {
      try {
        await engine.networks.remove(name);
        context.stdout.write(`${name}\n`);
      } catch (error) {
        if (values.on('force') && error instanceof ApiError && error.status === 404) continue;
        errors.push(describe(error, context.globals));
      }
    }
    if (errors.length > 0) throw new ExitError(1, errors.join('\n'));
    return 0;
  },
};
