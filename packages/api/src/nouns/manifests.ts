import { readBytes } from '../http/body.ts';
import { type Call, get, param, put, type Route } from '../http/call.ts';
import { registryAuthorization } from '../http/registry-authorization.ts';
import { sendJson } from '../http/reply.ts';

/** Ours: manifests and indexes at registries, for `manifest create` and its siblings. */
export const manifestRoutes: readonly Route[] = [
  get('/gantry/manifests/{name*}', async call =>
    sendJson(call, 200, await call.engine.manifests.fetch(param(call, 'name'), question(call), call.signal)),
  ),
  put('/gantry/manifests/{name*}', async call => {
    const upload = {
      ...question(call),
      mediaType: call.request.headers['content-type'] ?? '',
      bytes: await readBytes(call),
      from: call.query.get('from') || undefined,
    };
    sendJson(call, 201, await call.engine.manifests.put(param(call, 'name'), upload, call.signal));
  }),
];

function question(call: Call): { isInsecure: boolean; authorization: unknown } {
  return { isInsecure: call.query.bool('insecure'), authorization: registryAuthorization(call) };
}
