import type { ContainerSummary, DiskUsage, ImageSummary, VolumeDocument } from '@gantry/client';
import { toJson } from '@gantry/template';
import { atMost, type Command } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import { type Row, renderList, sortedRow } from '../../render/list.ts';
import { humanSize } from '../../render/units.ts';
import { containerHeaders, containerRow } from '../container/ls.ts';
import { imageHeaders, imageRows } from '../image/ls.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    listFormatFlag,
    { name: 'verbose', short: 'v', kind: toggle, help: 'Show detailed information on space usage' },
  ],
  async run(context, values) {
    const usage = await (await context.engine()).system.diskUsage();
    const format = values.text('format') || undefined;
    context.stdout.write(values.on('verbose') ? verbose(usage, format) : summary(usage, format));
    return 0;
  },
};

/** Bytes of all, and of what nothing uses. */
type Sum = {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly unused: number;
};

function summary(usage: DiskUsage, format: string | undefined): string {
  const rows = [imagesSum(usage), containersSum(usage.Containers ?? []), volumesSum(usage.Volumes ?? []), cacheSum()];
  return renderList(
    rows.map(sum => ({
      Type: sum.type,
      TotalCount: String(sum.total),
      Active: String(sum.active),
      Size: humanSize(sum.size),
      Reclaimable: reclaimable(sum),
    })),
    {
      format,
      quiet: false,
      table: '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}',
      quietTemplate: '',
      headers: { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' },
      typeName: '*formatter.diskUsageImagesContext',
    },
  );
}

function reclaimable({ size, unused, type }: Sum): string {
  if (size <= 0 || type === 'Build Cache') return humanSize(unused);
  return `${humanSize(unused)} (${Math.trunc((unused * 100) / size)}%)`;
}

function imagesSum({ Images, LayersSize }: DiskUsage): Sum {
  const images = Images ?? [];
  const active = images.filter(image => image.Containers > 0);
  // What images share goes with the last of them.
  const used = active.reduce((sum, image) => sum + (image.SharedSize < 0 ? 0 : image.Size - image.SharedSize), 0);
  return {
    type: 'Images',
    total: images.length,
    active: active.length,
    size: LayersSize,
    unused: Math.max(0, LayersSize - used),
  };
}

function containersSum(containers: readonly ContainerSummary[]): Sum {
  const isActive = ({ State }: ContainerSummary): boolean => /^(running|paused|restarting)$/.test(State);
  const size = (list: readonly ContainerSummary[]): number => list.reduce((sum, one) => sum + (one.SizeRw ?? 0), 0);
  const active = containers.filter(isActive);
  const all = size(containers);
  return { type: 'Containers', total: containers.length, active: active.length, size: all, unused: all - size(active) };
}

function volumesSum(volumes: readonly VolumeDocument[]): Sum {
  const size = (list: readonly VolumeDocument[]): number =>
    list.reduce((sum, one) => sum + Math.max(0, one.UsageData?.Size ?? 0), 0);
  const active = volumes.filter(volume => (volume.UsageData?.RefCount ?? 0) > 0);
  const all = size(volumes);
  return { type: 'Local Volumes', total: volumes.length, active: active.length, size: all, unused: all - size(active) };
}

/** Builds keep nothing yet. */
function cacheSum(): Sum {
  return { type: 'Build Cache', total: 0, active: 0, size: 0, unused: 0 };
}

const volumeHeaders: Row = { Name: 'VOLUME NAME', Links: 'LINKS', Size: 'SIZE' };
const cacheHeaders: Row = {
  ID: 'CACHE ID',
  CacheType: 'CACHE TYPE',
  Size: 'SIZE',
  CreatedSince: 'CREATED',
  LastUsedSince: 'LAST USED',
  UsageCount: 'USAGE',
  Shared: 'SHARED',
};

function verbose(usage: DiskUsage, format: string | undefined): string {
  const truncate = format === undefined;
  const images = (usage.Images ?? []).flatMap(image => imageUsage(image, truncate));
  const containers = (usage.Containers ?? []).map(({ SizeRootFs: _, ...own }) => containerRow(own, truncate));
  const volumes = (usage.Volumes ?? []).map(volumeRow);
  if (format !== undefined && format !== 'table') {
    const sorted = (rows: readonly Row[]): readonly Row[] => rows.map(sortedRow);
    const document = {
      Images: sorted(images),
      Containers: sorted(containers),
      Volumes: sorted(volumes),
      BuildCache: [],
    };
    if (format === 'json' || format === '{{json .}}') return toJson(document, true);
    return renderList([document], { ...table('', {}), format });
  }
  const columns = (...fields: readonly string[]): string => fields.map(field => `{{.${field}}}`).join('\t');
  const imageColumns = columns(
    ...['Repository', 'Tag', 'ID', 'CreatedSince', 'Size', 'SharedSize', 'UniqueSize', 'Containers'],
  );
  const containerColumns = columns(
    ...['ID', 'Image', 'Command', 'LocalVolumes', 'Size', 'RunningFor', 'Status', 'Names'],
  );
  const cacheColumns = columns('ID', 'CacheType', 'Size', 'CreatedSince', 'LastUsedSince', 'UsageCount', 'Shared');
  const volumeColumns = columns('Name', 'Links', 'Size');
  return [
    `Images space usage:\n\n${renderList(images, table(imageColumns, imageHeaders))}`,
    `Containers space usage:\n\n${renderList(containers, table(containerColumns, containerHeaders))}`,
    `Local Volumes space usage:\n\n${renderList(volumes, table(volumeColumns, volumeHeaders))}`,
    `Build cache usage: 0B\n\n${renderList([], table(cacheColumns, cacheHeaders))}`,
  ].join('\n');
}

function imageUsage(image: ImageSummary, truncate: boolean): readonly Row[] {
  const known = image.SharedSize >= 0;
  const sizes = {
    SharedSize: known ? humanSize(image.SharedSize) : 'N/A',
    UniqueSize: known ? humanSize(image.Size - image.SharedSize) : 'N/A',
  };
  return imageRows(image, { digests: false, truncate }).map(row => ({ ...row, Digest: '', ...sizes }));
}

function volumeRow({ Name, Driver, Scope, Mountpoint, Labels, UsageData }: VolumeDocument): Row {
  return {
    Name,
    Driver,
    Scope,
    Mountpoint,
    Labels: Object.entries(Labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Links: String(UsageData?.RefCount ?? 'N/A'),
    Size: UsageData ? humanSize(UsageData.Size) : 'N/A',
    // What only volumes of a cluster have.
    Availability: 'N/A',
    Group: 'N/A',
    Status: 'N/A',
  };
}

function table(columns: string, headers: Row): Parameters<typeof renderList>[1] {
  return {
    format: undefined,
    quiet: false,
    table: columns,
    quietTemplate: '',
    headers,
    typeName: '*formatter.DiskUsageContext',
  };
}
