import { atMost, type Command } from '../../command.ts';
import { forgetCredentials, serverOf } from '../../credentials.ts';

export const command: Command = {
  usage: '[SERVER]',
  arity: atMost(1),
  flags: [],
  async run(context, values) {
    const server = serverOf(values.args[0] ?? '');
    context.stdout.write(`Removing login credentials for ${server}\n`);
    forgetCredentials(context.globals, server);
    return 0;
  },
};
