import type { VolumeDocument } from '@gantry/client';
import { atMost, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import { type Row, renderList } from '../../render/list.ts';
import { naturalOrder } from '../../render/natural-order.ts';
import { humanSize } from '../../render/units.ts';

const headers: Row = {
  Name: 'VOLUME NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
  Links: 'LINKS',
  Size: 'SIZE',
  Availability: 'AVAILABILITY',
  Group: 'GROUP',
  Status: 'STATUS',
  Label: (key: string) => key,
};

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    {
      name: 'cluster',
      kind: toggle,
      help: 'Display only cluster volumes, and use cluster volume list formatting',
    },
    { name: 'filter', short: 'f', kind: filter, help: 'Provide filter values (e.g. "dangling=true")' },
    listFormatFlag,
    { name: 'quiet', short: 'q', kind: toggle, help: 'Only display volume names' },
  ],
  async run(context, values) {
    if (values.on('cluster')) throw new ExitError(1, '--cluster lists cluster volumes, and there is no swarm');
    const engine = await context.engine();
    const { Volumes, Warnings } = await engine.volumes.list(parseFilters(values.list('filter')));
    for (const warning of Warnings ?? []) context.stderr.write(`${warning}\n`);
    const volumes = (Volumes ?? []).toSorted((a, b) => naturalOrder(a.Name, b.Name));
    context.stdout.write(
      renderList(volumes.map(row), {
        format: values.text('format') || undefined,
        quiet: values.on('quiet'),
        table: '{{.Driver}}\t{{.Name}}',
        quietTemplate: '{{.Name}}',
        raw: 'name: {{.Name}}\ndriver: {{.Driver}}\n',
        headers,
        typeName: '*formatter.volumeContext',
      }),
    );
    return 0;
  },
};

function row({ Name, Driver, Scope, Mountpoint, Labels, UsageData }: VolumeDocument): Row {
  const labels = Object.entries(Labels ?? {});
  return {
    Name,
    Driver,
    Scope,
    Mountpoint,
    Labels: labels.map(([key, value]) => `${key}=${value}`).join(','),
    Links: UsageData ? String(UsageData.RefCount) : 'N/A',
    Size: UsageData && UsageData.Size >= 0 ? humanSize(UsageData.Size) : 'N/A',
    Availability: 'N/A',
    Group: 'N/A',
    Status: 'N/A',
    Label: (key: string) => Labels?.[key] ?? '',
  };
}
