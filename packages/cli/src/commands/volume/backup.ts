import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'VOLUME',
  arity: exactly(1),
  flags: [
    { name: 'output', short: 'o', kind: text, help: 'Write to a file, instead of STDOUT' },
    {
      name: 'pause',
      kind: toggle,
      help: 'Pause the containers that use the volume while it is read',
    },
  ],
  async run(context, values) {
    const output = values.text('output');
    const toStdout = !output || output === '-';
    if (toStdout && context.stdout.isTTY) {
      throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const body = await (await context.engine()).volumes.backup(values.args[0] ?? '', { pause: values.on('pause') });
    if (toStdout) {
      for await (const piece of body) {
        if (!context.stdout.write(piece)) await new Promise(resolve => context.stdout.once('drain', resolve));
      }
      return 0;
    }
    const unfinished = `${output}.${process.pid}.part`;
    try {
      await pipeline(body, createWriteStream(unfinished, { mode: 0o600 }));
      await rename(unfinished, output);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    return 0;
  },
};
