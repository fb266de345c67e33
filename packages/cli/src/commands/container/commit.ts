import type { Command } from '../../command.ts';
import { list, text, toggle } from '../../flags/flag.ts';
import { parseReference } from '../../reference.ts';

export const command: Command = {
  usage: 'CONTAINER [REPOSITORY[:TAG]]',
  arity: { least: 1, most: 2 },
  flags: [
    { name: 'author', short: 'a', kind: text, help: 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")' },
    { name: 'change', short: 'c', kind: list, help: 'Apply Dockerfile instruction to the created image' },
    { name: 'message', short: 'm', kind: text, help: 'Commit message' },
    { name: 'pause', short: 'p', kind: toggle, help: 'Pause container during commit', fallback: 'true' },
  ],
  async run(context, values) {
    const [name = '', target] = values.args;
    const reference = target ? parseReference(target) : undefined;
    const { Id } = await (await context.engine()).containers.commit(name, {
      repository: reference?.familiarName,
      tag: reference?.tag,
      author: values.text('author'),
      comment: values.text('message'),
      changes: values.list('change'),
      pause: values.on('pause', true),
    });
    context.stdout.write(`${Id}\n`);
    return 0;
  },
};
