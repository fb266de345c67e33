import { notFound, notImplemented, systemError } from '@gantry/errors';
import { type Call, get, type Handler, param, post, type Route, remove } from '../http/call.ts';
import { parseFilters } from '../http/filters.ts';
import { intOf } from '../http/query.ts';
import { sendJson } from '../http/reply.ts';

/** There are no plugins, so none is ever found. */
const missing: Handler = call => {
  throw notFound(`plugin ${JSON.stringify(param(call, 'name'))} not found`);
};

export const pluginRoutes: readonly Route[] = [
  get('/plugins', call => {
    parseFilters(call.query.get('filters'));
    sendJson(call, 200, []);
  }),
  get('/plugins/{name*}/json', missing),
  get('/plugins/privileges', install),
  remove('/plugins/{name*}', missing),
  post('/plugins/{name*}/enable', call => {
    if (intOf(call.query, 'timeout') === undefined) throw systemError('strconv.Atoi: parsing "": invalid syntax');
    return missing(call);
  }),
  post('/plugins/{name*}/disable', missing),
  post('/plugins/pull', install),
  post('/plugins/{name*}/push', missing),
  post('/plugins/{name*}/upgrade', call => (call.query.get('remote') === '' ? install(call) : missing(call))),
  post('/plugins/{name*}/set', missing),
  post('/plugins/create', call => {
    if (call.query.get('name') === '') throw systemError('failed to parse reference : invalid reference format');
    throw notBuilt();
  }),
];

function install(call: Call): void {
  if (call.query.get('remote') === '') throw systemError('invalid reference format');
  throw notBuilt();
}

function notBuilt(): Error {
  return notImplemented('plugins are not built yet');
}
