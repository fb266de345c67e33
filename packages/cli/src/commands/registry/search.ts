import type { ImageSearchResult } from '@gantry/client';
import { type Command, exactly } from '../../command.ts';
import { storedAuthorization } from '../../credentials.ts';
import { parseFilters } from '../../filters.ts';
import { filter, int, text, toggle } from '../../flags/flag.ts';
import { ellipsis } from '../../render/ellipsis.ts';
import { type Row, renderList } from '../../render/list.ts';

const WIDTH = 45;

export const command: Command = {
  usage: 'TERM',
  arity: exactly(1),
  flags: [
    { name: 'filter', short: 'f', kind: filter, help: 'Filter output based on conditions provided' },
    { name: 'format', kind: text, help: 'Pretty-print search using a Go template' },
    { name: 'limit', kind: int, help: 'Max number of search results' },
    { name: 'no-trunc', kind: toggle, help: "Don't truncate output" },
  ],
  async run(context, values) {
    const [term = ''] = values.args;
    const engine = await context.engine();
    const results = await engine.images.search(term, {
      limit: values.number('limit'),
      filters: parseFilters(values.list('filter')),
      authorization: storedAuthorization(context.globals, indexOf(term)),
    });
    const rows = results.map(result => row(result, !values.on('no-trunc')));
    context.stdout.write(
      renderList(rows, {
        format: values.text('format') || undefined,
        quiet: false,
        table: '{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}',
        quietTemplate: '',
        headers: {
          Name: 'NAME',
          Description: 'DESCRIPTION',
          StarCount: 'STARS',
          IsOfficial: 'OFFICIAL',
          IsAutomated: 'AUTOMATED',
        },
        typeName: '*search.searchContext',
      }),
    );
    return 0;
  },
};

/** The registry whose index a term asks: the part before its slash, where that can be a host. */
function indexOf(term: string): string {
  const host = term.slice(0, Math.max(0, term.indexOf('/')));
  return /[.:]/.test(host) || host === 'localhost' ? host : '';
}

function row(result: ImageSearchResult, truncate: boolean): Row {
  const description = result.description.replaceAll('\n', ' ').replaceAll('\r', ' ');
  const mark = (is: boolean) => (is ? '[OK]' : '');
  return {
    Name: result.name,
    Description: truncate ? ellipsis(description, WIDTH) : description,
    StarCount: String(result.star_count),
    IsOfficial: mark(result.is_official),
    IsAutomated: mark(result.is_automated),
  };
}
