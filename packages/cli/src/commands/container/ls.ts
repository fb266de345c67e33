import type { ContainerSummary } from '@gantry/client';
import { atMost, type Command } from '../../command.ts';
import { parseFilters } from '../../filters.ts';
import { filter, int, toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import { parseReference } from '../../reference.ts';
import { ellipsis } from '../../render/ellipsis.ts';
import { type ListFormat, type Row, renderList } from '../../render/list.ts';
import { localTime } from '../../render/local-time.ts';
import { displayPorts } from '../../render/ports.ts';
import { humanDuration, humanSize } from '../../render/units.ts';

export const containerHeaders: Row = {
  ID: 'CONTAINER ID',
  Names: 'NAMES',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Ports: 'PORTS',
  State: 'STATE',
  Status: 'STATUS',
  Size: 'SIZE',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
  Platform: 'PLATFORM',
  Label: (name: unknown) => String(name).split('.').at(-1)?.replaceAll('-', ' ').replaceAll('_', ' ') ?? '',
};

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'all', short: 'a', kind: toggle, help: 'Show all containers (default shows just running)' },
    { name: 'filter', short: 'f', kind: filter, help: 'Filter output based on conditions provided' },
    listFormatFlag,
    {
      name: 'last',
      short: 'n',
      kind: int,
      help: 'Show n last created containers (includes all states)',
      fallback: '-1',
    },
    { name: 'latest', short: 'l', kind: toggle, help: 'Show the latest created container (includes all states)' },
    { name: 'no-trunc', kind: toggle, help: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Only display container IDs' },
    { name: 'size', short: 's', kind: toggle, help: 'Display total file sizes' },
  ],
  async run(context, values) {
    const format = values.text('format') || undefined;
    const filters = parseFilters(values.list('filter'));
    const size = values.on('size') || (format !== undefined && /\.Size\b/.test(format));
    const engine = await context.engine();
    const limit = values.on('latest') && !values.changed('last') ? 1 : values.number('last');
    const containers = await engine.containers.list({ all: values.on('all'), limit, size, filters });
    const list: ListFormat = {
      format,
      quiet: values.on('quiet'),
      table: `{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}${values.on('size') ? '\t{{.Size}}' : ''}`,
      quietTemplate: '{{.ID}}',
      raw:
        'container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{.State}}\n' +
        'status: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\nports: {{.Ports}}\n' +
        (values.on('size') ? 'size: {{.Size}}\n' : ''),
      headers: containerHeaders,
      typeName: '*formatter.ContainerContext',
      problems: { parse: 'failed to parse template', execute: 'failed to execute template' },
    };
    context.stdout.write(
      renderList(
        containers.map(container => containerRow(container, !values.on('no-trunc'))),
        list,
      ),
    );
    return 0;
  },
};

/** What templates see of a container. */
export function containerRow(container: ContainerSummary, truncate: boolean): Row {
  const names = container.Names.map(name => name.replace(/^\//, ''));
  const labels = container.Labels ?? {};
  const mounts = (container.Mounts ?? []).map(mount => {
    const name = mount.Name || mount.Source;
    return truncate ? ellipsis(name, 15) : name;
  });
  return {
    ID: truncate ? container.Id.slice(0, 12) : container.Id,
    Names: names.filter(name => !truncate || !name.includes('/')).join(','),
    Image: image(container, truncate),
    Command: JSON.stringify(truncate ? ellipsis(container.Command, 20) : container.Command),
    get CreatedAt() {
      return localTime(container.Created);
    },
    RunningFor: `${humanDuration(Date.now() - container.Created * 1000)} ago`,
    Ports: displayPorts(container.Ports ?? []),
    State: container.State,
    Status: container.Status,
    Size: size(container),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(','),
    Label: (name: unknown) => labels[String(name)] ?? '',
    Mounts: mounts.join(','),
    LocalVolumes: String((container.Mounts ?? []).filter(mount => mount.Driver === 'local').length),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {})
      .sort()
      .join(','),
    Platform: null,
  };
}

function image(container: ContainerSummary, truncate: boolean): string {
  if (container.Image === '') return '<no image>';
  if (!truncate) return container.Image;
  const short = (id: string) => id.replace(/^[a-z0-9]+:/, '').slice(0, 12);
  if (short(container.ImageID) === short(container.Image)) return short(container.ImageID);
  try {
    const { familiarName, tag } = parseReference(container.Image);
    return container.Image.includes('@') ? `${familiarName}${tag ? `:${tag}` : ''}` : container.Image;
  } catch {
    return container.Image;
  }
}

function size(container: ContainerSummary): string {
  const own = humanSize(container.SizeRw ?? 0, 3);
  return container.SizeRootFs ? `${own} (virtual ${humanSize(container.SizeRootFs, 3)})` : own;
}
