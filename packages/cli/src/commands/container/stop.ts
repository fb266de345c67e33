import { atLeast, type Command } from '../../command.ts';
import { forEach } from '../../each.ts';
import { int, text } from '../../flags/flag.ts';

export const command = stopping('stop');

/** Stopping and restarting take the same flags: a restart is a stop first. */
export function stopping(verb: 'stop' | 'restart'): Command {
  return {
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
      const stopSignal = values.text('signal');
      return forEach(context, values.args, name => engine.containers[verb](name, { timeoutSeconds, stopSignal }));
    },
  };
}
