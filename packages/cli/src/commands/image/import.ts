import { createReadStream, existsSync } from 'node:fs';
import type { Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { list, text } from '../../flags/flag.ts';
import { showProgress } from '../../progress.ts';
import { parseReference } from '../../reference.ts';

export const command: Command = {
  usage: 'file|URL|- [REPOSITORY[:TAG]]',
  arity: { least: 1, most: Number.POSITIVE_INFINITY },
  flags: [
    { name: 'change', short: 'c', kind: list, help: 'Apply Dockerfile instruction to the created image' },
    { name: 'message', short: 'm', kind: text, help: 'Set commit message for imported image' },
    { name: 'platform', kind: text, help: 'Set platform if server is multi-platform capable' },
  ],
  async run(context, values) {
    const [source = '', name] = values.args;
    const reference = name ? parseReference(name) : undefined;
    const isUrl = /^https?:\/\//.test(source);
    if (source !== '-' && !isUrl && !existsSync(source))
      throw new ExitError(1, `open ${source}: no such file or directory`);
    const from = isUrl
      ? { url: source }
      : source === '-'
        ? context.stdin
        : createReadStream(source, { highWaterMark: 1 << 18 });
    const messages = await (await context.engine()).images.import(from, {
      repository: reference?.familiarName,
      tag: reference?.tag,
      message: values.text('message'),
      changes: values.list('change'),
      platform: values.text('platform'),
    });
    await showProgress(messages, context.stdout);
    return 0;
  },
};
