import { atMost, type Command } from '../../command.ts';
import { parseFilters } from '../../filters.ts';
import { filter } from '../../flags/flag.ts';
import { formatFlag } from '../../flags/format.ts';
import { jobText } from '../../render/job.ts';
import { compile } from '../../render/list.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    {
      name: 'filter',
      short: 'f',
      kind: filter,
      help: 'Filter output based on conditions provided (verb, object, outcome)',
    },
    { name: formatFlag.name, kind: formatFlag.kind, help: formatFlag.help },
  ],
  async run(context, values) {
    const format = values.text('format');
    const template = format && format !== 'json' ? compile(format) : undefined;
    const jobs = await (await context.engine()).system.jobs(parseFilters(values.list('filter')));
    for (const job of jobs) {
      const text =
        format === 'json' ? JSON.stringify(job) : template ? template(job) : jobText(job, context.stdout.columns);
      context.stdout.write(`${text}\n`);
    }
    return 0;
  },
};
