import { archiveOutput, outputFlag, writeArchive } from '../../archive-output.ts';
import { type Command, exactly } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';

/** What is in a volume may be meant for its owner alone. */
const MODE = 0o600;

export const command: Command = {
  usage: 'VOLUME',
  arity: exactly(1),
  flags: [
    outputFlag,
    { name: 'pause', kind: toggle, help: 'Pause the containers that use the volume while it is read' },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const file = values.text('output');
    const output = archiveOutput(context, file === '-' ? undefined : file);
    const body = await (await context.engine()).volumes.backup(name, { pause: values.on('pause') });
    await writeArchive(context, body, output, MODE);
    return 0;
  },
};
