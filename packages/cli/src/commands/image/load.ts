import { createReadStream, statSync } from 'node:fs';
import { atMost, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { showProgress } from '../../progress.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'input', short: 'i', kind: text, help: 'Read from tar archive file, instead of STDIN' },
    {
      name: 'platform',
      kind: text,
      help: 'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Suppress the load output' },
  ],
  async run(context, values) {
    const input = values.text('input');
    if (!input && context.stdin.isTTY) throw new ExitError(1, 'requested load from stdin, but stdin is empty');
    if (input) statSync(input, { throwIfNoEntry: false }) ?? missing(input);
    const archive = input ? createReadStream(input, { highWaterMark: 1 << 18 }) : context.stdin;
    const platform = values.text('platform');
    const messages = await (await context.engine()).images.load(archive, {
      quiet: values.on('quiet') || !context.stdout.isTTY,
      ...(platform ? { platform: JSON.stringify(splitPlatform(platform)) } : {}),
    });
    await showProgress(messages, context.stdout);
    return 0;
  },
};

function missing(path: string): never {
  throw new ExitError(1, `open ${path}: no such file or directory`);
}

function splitPlatform(platform: string): Record<string, string> {
  const [os = '', architecture, variant] = platform.split('/');
  return { os, ...(architecture ? { architecture } : {}), ...(variant ? { variant } : {}) };
}
