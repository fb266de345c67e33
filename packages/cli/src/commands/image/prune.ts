import { atMost, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { deletedImages } from '../../render/deleted-images.ts';
import { humanSize } from '../../render/units.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'all', short: 'a', kind: toggle, help: 'Remove all unused images, not just dangling ones' },
    { name: 'filter', kind: filter, help: 'Provide filter values (e.g. "until=<timestamp>")' },
    { name: 'force', short: 'f', kind: toggle, help: 'Do not prompt for confirmation' },
  ],
  async run(context, values) {
    const all = values.on('all');
    const which = all ? 'all images without at least one container associated to them' : 'all dangling images';
    const warning = `WARNING! This will remove ${which}.\nAre you sure you want to continue?`;
    if (!values.on('force') && !(await confirm(context, warning))) return 0;
    const filters = new Map([...parseFilters(values.list('filter')), ['dangling', new Set([String(!all)])]]);
    const { ImagesDeleted, SpaceReclaimed } = await (await context.engine()).images.prune(filters);
    context.stdout.write(`${deletedImages(ImagesDeleted)}Total reclaimed space: ${humanSize(SpaceReclaimed)}\n`);
    return 0;
  },
};
