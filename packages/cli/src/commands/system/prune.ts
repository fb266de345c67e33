import { atMost, type Command } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { ExitError } from '../../errors.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { deletedImages } from '../../render/deleted-images.ts';
import { humanSize } from '../../render/units.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'all', short: 'a', kind: toggle, help: 'Remove all unused images not just dangling ones' },
    { name: 'filter', kind: filter, help: 'Provide filter values (e.g. "label=<key>=<value>")' },
    { name: 'force', short: 'f', kind: toggle, help: 'Do not prompt for confirmation' },
    { name: 'volumes', kind: toggle, help: 'Prune anonymous volumes' },
  ],
  async run(context, values) {
    const [all, volumes, asked] = [values.on('all'), values.on('volumes'), values.list('filter')];
    const filters = parseFilters(asked);
    if (volumes && filters.has('until')) {
      throw new ExitError(1, 'ERROR: The "until" filter is not supported with "--volumes"');
    }
    if (!values.on('force') && !(await confirm(context, warning(all, volumes, asked)))) return 0;
    const engine = await context.engine();
    const list = (title: string, names: readonly string[] | null) =>
      names && names.length > 0 ? `Deleted ${title}:\n${names.join('\n')}\n\n` : '';
    const { stdout } = context;
    let reclaimed = 0;
    const containers = await engine.containers.prune(filters);
    stdout.write(list('Containers', containers.ContainersDeleted));
    reclaimed += containers.SpaceReclaimed;
    const networks = await engine.networks.prune(filters);
    stdout.write(list('Networks', networks.NetworksDeleted));
    if (volumes) {
      const pruned = await engine.volumes.prune(filters);
      stdout.write(list('Volumes', pruned.VolumesDeleted));
      reclaimed += pruned.SpaceReclaimed;
    }
    const images = await engine.images.prune(new Map([...filters, ['dangling', new Set([String(!all)])]]));
    stdout.write(deletedImages(images.ImagesDeleted));
    reclaimed += images.SpaceReclaimed;
    const cache = await engine.system.pruneBuildCache({ all, filters });
    stdout.write(list('build cache objects', cache.CachesDeleted));
    reclaimed += cache.SpaceReclaimed;
    stdout.write(`Total reclaimed space: ${humanSize(reclaimed)}\n`);
    return 0;
  },
};

function warning(all: boolean, volumes: boolean, filters: readonly string[]): string {
  const what = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    all ? 'all images without at least one container associated to them' : 'all dangling images',
    all ? 'all build cache' : 'unused build cache',
  ];
  const chosen = filters.map(text => `  - ${text}\n`).join('');
  return [
    'WARNING! This will remove:',
    ...what.map(line => `  - ${line}`),
    ...(filters.length > 0 ? ['', `  Items to be pruned will be filtered with:\n${chosen.trimEnd()}`] : []),
    '',
    'Are you sure you want to continue?',
  ].join('\n');
}
