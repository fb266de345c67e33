import { atLeast, type Command } from '../../command.ts';
import { forEach } from '../../each.ts';
import { int, text } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [
    { name: 'signal', short: 's', kind: text, help: 'Signal to send to the container' },
    { name: 'timeout', short: 't', kind: int, help: 'Seconds to wait before killing the container' },
    { name: 'time', kind: int, help: 'Seconds to wait before killing the container', hidden: true },
  ],
  async run(context, values) {
    const engine = await context.engine();
    const timeoutSeconds = values.number('timeout') ?? values.number('time');
    return forEach(context, values.args, name =>
      engine.containers.restart(name, { timeoutSeconds, stopSignal: values.text('signal') }),
    );
  },
};
