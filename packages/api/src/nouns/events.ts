import { once } from 'node:events';
import { invalidParameter } from '@gantry/errors';
import { type Call, get, type Route } from '../http/call.ts';
import { parseFilters } from '../http/filters.ts';
import { timestampOf } from '../http/query.ts';
import { startStream } from '../http/reply.ts';
import { encodeJsonLine } from '../json/encode.ts';

export const eventRoutes: readonly Route[] = [get('/events', events)];

async function events(call: Call): Promise<void> {
  const { query, response, signal } = call;
  const sinceNs = timestampOf(query, 'since');
  const untilNs = timestampOf(query, 'until');
  if (untilNs !== undefined && untilNs < (sinceNs ?? -62135596800n * 1_000_000_000n)) {
    throw invalidParameter(
      `\`since\` time (${query.get('since')}) cannot be after \`until\` time (${query.get('until')})`,
    );
  }
  const stream = call.engine.events.subscribe(
    { sinceNs, untilNs, filters: parseFilters(query.get('filters')) },
    signal,
  );
  startStream(call, 'application/json');
  try {
    for await (const event of stream) {
      // Events of created images came with API 1.46.
      if (call.version < 46 && event.Type === 'image' && event.Action === 'create') continue;
      if (!response.write(encodeJsonLine(event))) await once(response, 'drain', { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
}
