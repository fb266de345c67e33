import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { atLeast, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'IMAGE [IMAGE...]',
  arity: atLeast(1),
  flags: [
    { name: 'output', short: 'o', kind: text, help: 'Write to a file, instead of STDOUT' },
    { name: 'platform', kind: text, help: 'Save only the given platform variant (os/arch[/variant])' },
  ],
  async run(context, values) {
    const output = values.text('output');
    const platform = values.text('platform');
    if (!output && context.stdout.isTTY) {
      throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const body = await (await context.engine()).images.save(values.args, platform ? { platform } : {});
    if (!output) {
      for await (const piece of body) context.stdout.write(piece);
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
