import { atMost, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';

const WARNING = `WARNING! This will remove all custom networks not used by at least one container.
Are you sure you want to continue?`;

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'filter', kind: filter, help: 'Provide filter values (e.g. "until=<timestamp>")' },
    { name: 'force', short: 'f', kind: toggle, help: 'Do not prompt for confirmation' },
  ],
  async run(context, values) {
    if (!values.on('force') && !(await confirm(context, WARNING))) return 0;
    const engine = await context.engine();
    const { NetworksDeleted } = await engine.networks.prune(parseFilters(values.list('filter')));
    if (NetworksDeleted && NetworksDeleted.length > 0) {
      context.stdout.write(`Deleted Networks:\n${NetworksDeleted.map(name => `${name}\n`).join('')}\n`);
    }
    return 0;
  },
};
