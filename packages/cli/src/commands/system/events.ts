import type { EventMessage } from '@gantry/client';
import { atMost, type Command } from '../../command.ts';
import { parseFilters } from '../../filters.ts';
import { filter, text } from '../../flags/flag.ts';
import { formatFlag } from '../../flags/format.ts';
import { compile } from '../../render/list.ts';
import { offset } from '../../render/local-time.ts';
import { parseTimestamp } from '../../timestamp.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'filter', short: 'f', kind: filter, help: 'Filter output based on conditions provided' },
    { name: formatFlag.name, kind: formatFlag.kind, help: formatFlag.help },
    { name: 'since', kind: text, help: 'Show all events created since timestamp' },
    { name: 'until', kind: text, help: 'Stream events until this timestamp' },
  ],
  async run(context, values) {
    const format = values.text('format');
    const template = format && format !== 'json' ? compile(format, 'Error parsing format') : undefined;
    const time = (flag: string) => {
      const value = values.text(flag);
      return value ? parseTimestamp(value) : undefined;
    };
    const filters = parseFilters(values.list('filter'));
    const engine = await context.engine();
    for await (const { event, text: json } of await engine.system.events({
      since: time('since'),
      until: time('until'),
      filters,
    })) {
      const line = format === 'json' ? json : template ? template(withGoNames(event)) : plain(event);
      context.stdout.write(`${line}\n`);
    }
    return 0;
  },
};

function plain(event: EventMessage): string {
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  const tail = attributes.length > 0 ? ` (${attributes.join(', ')})` : '';
  return `${time(event.timeNano)} ${event.Type} ${event.Action} ${event.Actor.ID}${tail}`;
}

/** RFC 3339 in the local zone with nine digits. */
function time(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n));
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  const zone = offset(date);
  return `${local}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}${zone === '+00:00' ? 'Z' : zone}`;
}

/** Templates name the fields as Go's type does. */
function withGoNames(event: EventMessage): Record<string, unknown> {
  return {
    ...event,
    Status: event.status ?? '',
    ID: event.id ?? '',
    From: event.from ?? '',
    Scope: event.scope,
    Time: event.time,
    TimeNano: event.timeNano,
  };
}
