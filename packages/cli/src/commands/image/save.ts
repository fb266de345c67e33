import { archiveOutput, outputFlag, writeArchive } from '../../archive-output.ts';
import { atLeast, type Command } from '../../command.ts';
import { text } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'IMAGE [IMAGE...]',
  arity: atLeast(1),
  flags: [
    outputFlag,
    { name: 'platform', kind: text, help: 'Save only the given platform variant (os/arch[/variant])' },
  ],
  async run(context, values) {
    const output = archiveOutput(context, values.text('output'));
    const platform = values.text('platform');
    const body = await (await context.engine()).images.save(values.args, platform ? { platform } : {});
    await writeArchive(context, body, output);
    return 0;
  },
};
