import type { ImageHistoryItem } from '@gantry/client';
import { type Command, exactly } from '../../command.ts';
import { text, toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import { ellipsis } from '../../render/ellipsis.ts';
import { type ListFormat, type Row, renderList } from '../../render/list.ts';
import { humanDuration, humanSize } from '../../render/units.ts';

const WIDTH = 45;

export const command: Command = {
  usage: 'IMAGE',
  arity: exactly(1),
  flags: [
    listFormatFlag,
    {
      name: 'human',
      short: 'H',
      kind: toggle,
      help: 'Print sizes and dates in human readable format',
      fallback: 'true',
    },
    { name: 'no-trunc', kind: toggle, help: "Don't truncate output" },
    {
      name: 'platform',
      kind: text,
      help: 'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Only show image IDs' },
  ],
  async run(context, values) {
    const [image = ''] = values.args;
    const human = values.on('human', true);
    const items = await (await context.engine()).images.history(image, {
      platform: values.text('platform') || undefined,
    });
    const list: ListFormat = {
      format: values.text('format') || undefined,
      quiet: values.on('quiet'),
      table: `{{.ID}}\t${human ? '{{.CreatedSince}}' : '{{.CreatedAt}}'}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`,
      quietTemplate: '{{.ID}}',
      headers: {
        ID: 'IMAGE',
        CreatedSince: 'CREATED',
        CreatedAt: 'CREATED AT',
        CreatedBy: 'CREATED BY',
        Size: 'SIZE',
        Comment: 'COMMENT',
      },
      typeName: '*image.historyContext',
    };
    const rows = items.map(item => row(item, human, !values.on('no-trunc')));
    context.stdout.write(renderList(rows, list));
    return 0;
  },
};

function row({ Id, Created, CreatedBy, Size, Comment }: ImageHistoryItem, human: boolean, truncate: boolean): Row {
  const createdBy = CreatedBy.replaceAll('\t', ' ');
  return {
    ID: truncate ? Id.replace(/^sha256:/, '').slice(0, 12) : Id,
    CreatedAt: new Date(Created * 1000).toISOString().replace('.000Z', 'Z'),
    CreatedSince: Created > 0 ? `${humanDuration(Date.now() - Created * 1000)} ago` : 'N/A',
    CreatedBy: truncate ? ellipsis(createdBy, WIDTH) : createdBy,
    Size: human ? humanSize(Size, 3) : String(Size),
    Comment,
  };
}
