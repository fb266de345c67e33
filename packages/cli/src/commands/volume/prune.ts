import { atMost, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { ExitError } from '../../errors.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { humanSize } from '../../render/units.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'all', short: 'a', kind: toggle, help: 'Remove all unused volumes, not just anonymous ones' },
    { name: 'filter', kind: filter, help: 'Provide filter values (e.g. "label=<label>")' },
    { name: 'force', short: 'f', kind: toggle, help: 'Do not prompt for confirmation' },
  ],
  async run(context, values) {
    const filters = new Map(parseFilters(values.list('filter')));
    const all = values.on('all');
    if (all) {
      if (filters.has('all'))
        throw new ExitError(1, 'conflicting options: cannot specify both --all and --filter all=1');
      filters.set('all', new Set(['true']));
    }
    const which = all ? 'all' : 'anonymous';
    const warning = `WARNING! This will remove ${which} local volumes not used by at least one container.\nAre you sure you want to continue?`;
    if (!values.on('force') && !(await confirm(context, warning))) return 0;
    const engine = await context.engine();
    const { VolumesDeleted, SpaceReclaimed } = await engine.volumes.prune(filters);
    if (VolumesDeleted && VolumesDeleted.length > 0) {
      context.stdout.write(`Deleted Volumes:\n${VolumesDeleted.join('\n')}\n\n`);
    }
    context.stdout.write(`Total reclaimed space: ${humanSize(SpaceReclaimed)}\n`);
    return 0;
  },
};
