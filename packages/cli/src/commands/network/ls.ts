import type { NetworkInspect } from '@gantry/client';
import { atMost, type Command } from '../../command.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import { type Row, renderList } from '../../render/list.ts';
import { naturalOrder } from '../../render/natural-order.ts';

const headers: Row = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv4: 'IPV4',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
  Label: (name: string) => name,
};

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'filter', short: 'f', kind: filter, help: 'Provide filter values (e.g. "driver=bridge")' },
    listFormatFlag,
    { name: 'no-trunc', kind: toggle, help: 'Do not truncate the output' },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Only display network IDs' },
  ],
  async run(context, values) {
    const engine = await context.engine();
    const networks = await engine.networks.list(parseFilters(values.list('filter')));
    const truncate = !values.on('no-trunc');
    const rows = networks.toSorted((a, b) => naturalOrder(a.Name, b.Name)).map(network => row(network, truncate));
    context.stdout.write(
      renderList(rows, {
        format: values.text('format') || undefined,
        quiet: values.on('quiet'),
        table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
        quietTemplate: '{{.ID}}',
        raw: 'network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n',
        headers,
        typeName: '*network.networkContext',
      }),
    );
    return 0;
  },
};

function row(network: NetworkInspect, truncate: boolean): Row {
  const labels = Object.entries(network.Labels ?? {});
  return {
    ID: truncate ? network.Id.slice(0, 12) : network.Id,
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4),
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Labels: labels
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(','),
    CreatedAt: goTime(network.Created),
    Label: (name: string) => network.Labels?.[name] ?? '',
  };
}

/** `2026-11-26T16:42:45.031345782Z` as Go prints a time in UTC. */
function goTime(text: string): string {
  const [, date = '', time = ''] = /^(\d{4}-\d\d-\d\d)T([\d:]+(?:\.\d+)?)Z$/.exec(text) ?? [];
  return date === '' ? text : `${date} ${time} +0000 UTC`;
}
