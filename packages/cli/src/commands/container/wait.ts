import { atLeast, type Command } from '../../command.ts';
import { describe } from '../../describe-error.ts';
import { ExitError } from '../../errors.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [],
  async run(context, values) {
    const engine = await context.engine();
    const errors: string[] = [];
    for (const name of values.args) {
      try {
        const { ended } = await engine.containers.wait(name, 'not-running');
        const { StatusCode, Error: failure } = await ended;
        if (failure?.Message) errors.push(failure.Message);
        else context.stdout.write(`${StatusCode}\n`);
      } catch (error) {
        errors.push(describe(error, context.globals));
      }
    }
    if (errors.length > 0) throw new ExitError(1, errors.join('\n'));
    return 0;
  },
};
