import { type Command, exactly } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'NETWORK CONTAINER',
  arity: exactly(2),
  flags: [{ name: 'force', short: 'f', kind: toggle, help: 'Force the container to disconnect from a network' }],
  async run(context, values) {
    const [network = '', container = ''] = values.args;
    const engine = await context.engine();
    await engine.networks.disconnect(network, container, { force: values.on('force') });
    return 0;
  },
};
