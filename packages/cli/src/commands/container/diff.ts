import { type Command, exactly } from '../../command.ts';

const LETTERS = ['C', 'A', 'D'];

export const command: Command = {
  usage: 'CONTAINER',
  arity: exactly(1),
  flags: [],
  async run(context, values) {
    const [name = ''] = values.args;
    const changes = await (await context.engine()).containers.changes(name);
    for (const { Kind, Path } of changes) context.stdout.write(`${LETTERS[Kind] ?? '?'} ${Path}\n`);
    return 0;
  },
};
