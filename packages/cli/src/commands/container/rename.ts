import { type Command, exactly } from '../../command.ts';
import { describe } from '../../describe-error.ts';
import { ExitError } from '../../errors.ts';

export const command: Command = {
  usage: 'CONTAINER NEW_NAME',
  arity: exactly(2),
  flags: [],
  async run(context, values) {
    const [name = '', newName = ''] = values.args.map(arg => arg.trim());
    if (name === '' || newName === '') throw new ExitError(1, 'Error: Neither old nor new names may be empty');
    const engine = await context.engine();
    try {
      await engine.containers.rename(name, newName);
    } catch (error) {
      throw new ExitError(1, `${describe(error, context.globals)}\nError: failed to rename container named ${name}`);
    }
    return 0;
  },
};
