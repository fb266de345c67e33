import { atMost, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { humanSize } from '../../render/units.ts';

const WARNING = 'WARNING! This will remove all stopped containers.\nAre you sure you want to continue?';

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
    const { ContainersDeleted, SpaceReclaimed } = await engine.containers.prune(parseFilters(values.list('filter')));
    if (ContainersDeleted && ContainersDeleted.length > 0) {
      context.stdout.write(`Deleted Containers:\n${ContainersDeleted.join('\n')}\n\n`);
    }
    context.stdout.write(`Total reclaimed space: ${humanSize(SpaceReclaimed)}\n`);
    return 0;
  },
};
