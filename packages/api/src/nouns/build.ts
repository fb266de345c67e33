import { invalidParameter, notImplemented, systemError } from '@gantry/errors';
import { type Call, get, param, post, type Route } from '../http/call.ts';
import { parseFilters } from '../http/filters.ts';
import { registryAuthorization } from '../http/registry-authorization.ts';
import { sendJson } from '../http/reply.ts';

export const buildRoutes: readonly Route[] = [
  post('/build', () => {
    throw notImplemented('building images is not built yet', {
      hint: 'build with another tool and bring the image in with `docker load`',
    });
  }),
  post('/build/prune', prune),
  post('/build/cancel', call => {
    if (call.query.get('id') === '') throw invalidParameter('build ID not provided');
    throw notImplemented('building images is not built yet');
  }),
  post('/session', call => session(call, invalidParameter)),
  post('/grpc', call => session(call, systemError)),
];

/** There is no build cache yet, so nothing in it to remove. */
function prune(call: Call): void {
  parseFilters(call.query.get('filters'));
  sendJson(call, 200, { CachesDeleted: null, SpaceReclaimed: 0 });
}

function session(call: Call, problem: (message: string) => Error): void {
  if (call.request.headers.upgrade === undefined) throw problem('no upgrade proto in request');
  throw notImplemented('BuildKit sessions are not built yet');
}

export const distributionRoutes: readonly Route[] = [
  get('/gantry/distribution/{name*}/referrers', async call => {
    const type = call.query.get('artifactType');
    const answer = call.engine.images.referrers(param(call, 'name'), type, registryAuthorization(call), call.signal);
    sendJson(call, 200, await answer);
  }),
  get('/distribution/{name*}/json', async call =>
    sendJson(
      call,
      200,
      await call.engine.images.distribution(param(call, 'name'), registryAuthorization(call), call.signal),
    ),
  ),
];
