import { archiveOutput, outputFlag, writeArchive } from '../../archive-output.ts';
import { type Command, exactly } from '../../command.ts';

export const command: Command = {
  usage: 'CONTAINER',
  arity: exactly(1),
  flags: [outputFlag],
  async run(context, values) {
    const [name = ''] = values.args;
    const output = archiveOutput(context, values.text('output'));
    await writeArchive(context, await (await context.engine()).containers.export(name), output);
    return 0;
  },
};
