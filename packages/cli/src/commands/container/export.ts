import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'CONTAINER',
  arity: exactly(1),
  flags: [{ name: 'output', short: 'o', kind: text, help: 'Write to a file, instead of STDOUT' }],
  async run(context, values) {
    const [name = ''] = values.args;
    const output = values.text('output');
    if (!output && context.stdout.isTTY) {
      throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const body = await (await context.engine()).containers.export(name);
    if (!output) {
      await pipeline(body, context.stdout, { end: false });
      return 0;
    }
    const unfinished = `${output}.${process.pid}.part`;
    try {
      await pipeline(body, createWriteStream(unfinished));
      await rename(unfinished, output);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    return 0;
  },
};
