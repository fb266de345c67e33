import { forbidden, invalidParameter, messageOf, systemError } from '@gantry/errors';
import { bodyStream } from '../http/body.ts';
import { type Call, get, param, post, type Route, remove } from '../http/call.ts';
import { parseFilters, withFilter } from '../http/filters.ts';
import { atoi } from '../http/number.ts';
import { streamProgress } from '../http/progress.ts';
import { registryAuthorization } from '../http/registry-authorization.ts';
import { sendEmpty, sendJson, sendStream } from '../http/reply.ts';
import { decodeJson } from '../json/decode.ts';
import { string, strings, struct } from '../json/schema.ts';
import { imageInspectFor, imageSummaryFor } from '../versions/image.ts';

export const imageRoutes: readonly Route[] = [
  get('/images/json', list),
  get('/images/search', search),
  get('/images/get', call => save(call, call.query.all('names'))),
  get('/images/{name*}/get', call => save(call, [param(call, 'name')])),
  get('/images/{name*}/history', history),
  get('/images/{name*}/json', inspect),
  get('/gantry/images/{name*}/explain', explain),
  post('/images/load', load),
  post('/images/create', create),
  post('/images/{name*}/push', push),
  post('/images/{name*}/tag', tag),
  post('/images/prune', async call =>
    sendJson(call, 200, await call.engine.images.prune(parseFilters(call.query.get('filters')))),
  ),
  remove('/images/{name*}', removeImage),
];

async function list(call: Call): Promise<void> {
  const { query, version } = call;
  let filters = parseFilters(query.get('filters'));
  if (version < 41 && query.get('filter') !== '') filters = withFilter(filters, 'reference', query.get('filter'));
  const images = await call.engine.images.list({
    all: query.bool('all'),
    filters,
    sharedSize: version >= 42 && query.bool('shared-size'),
    manifests: version >= 47 && query.bool('manifests'),
  });
  sendJson(
    call,
    200,
    images.map(image => imageSummaryFor(version, image)),
  );
}

async function inspect(call: Call): Promise<void> {
  const { query, version } = call;
  const platform = version >= 49 ? platformOf(query.get('platform')) : undefined;
  const manifests = version >= 48 && query.bool('manifests');
  if (manifests && platform !== undefined) {
    throw invalidParameter('conflicting options: manifests and platform options cannot both be set');
  }
  sendJson(
    call,
    200,
    imageInspectFor(version, await call.engine.images.inspect(param(call, 'name'), { platform, manifests })),
  );
}

async function history(call: Call): Promise<void> {
  const platform = call.version >= 48 ? onlyPlatform(call) : undefined;
  sendJson(call, 200, await call.engine.images.history(param(call, 'name'), { platform }));
}

const MAX_EXPLAINED = 10_000;

/** Ours: what an image's instructions put where. */
async function explain(call: Call): Promise<void> {
  const limit = Math.min(Number(call.query.get('limit') || 20), MAX_EXPLAINED);
  if (!Number.isSafeInteger(limit) || limit < 0) throw invalidParameter('limit is no number of files');
  const options = { platform: onlyPlatform(call), limit };
  sendJson(call, 200, await call.engine.images.explain(param(call, 'name'), options, call.signal));
}

async function create(call: Call): Promise<void> {
  const image = call.query.get('fromImage');
  const platform = (call.version >= 32 && call.query.get('platform')) || undefined;
  if (image !== '') await pull(call, image.replace(/:$/, ''), platform);
  else await importImage(call, platform);
}

async function pull(call: Call, image: string, platform: string | undefined): Promise<void> {
  if (image === 'scratch') throw forbidden("'scratch' is a reserved name");
  const request = {
    image,
    tag: call.query.get('tag'),
    platform,
    authorization: registryAuthorization(call),
    // Ours alone: a last line tells where the time went.
    explain: call.query.bool('explain'),
  };
  await streamProgress(call, progress => call.engine.images.pull(request, progress, call.signal));
}

async function importImage(call: Call, platform: string | undefined): Promise<void> {
  const { query } = call;
  const source = query.get('fromSrc');
  if (source === '') throw systemError('Get "http:": http: no Host in request URL');
  const options = {
    repository: query.get('repo'),
    tag: query.get('tag'),
    message: query.get('message') || `Imported from ${source}`,
    changes: query.all('changes'),
    platform,
  };
  const from = source === '-' ? bodyStream(call) : { url: source };
  await streamProgress(call, progress => call.engine.images.import(from, options, progress, call.signal));
}

async function load(call: Call): Promise<void> {
  const options = { quiet: call.query.boolOr('quiet', true), platforms: archivePlatforms(call) };
  await streamProgress(call, progress => call.engine.images.load(bodyStream(call), options, progress, call.signal), {
    started: true,
  });
}

async function save(call: Call, names: readonly string[]): Promise<void> {
  const options = { platforms: archivePlatforms(call) };
  await sendStream(call, await call.engine.images.save(names, options, call.signal), 'application/x-tar');
}

async function tag(call: Call): Promise<void> {
  const repository = call.query.get('repo');
  // dockerd takes a missing repository for a request that is done.
  if (repository === '') {
    sendEmpty(call, 200);
    return;
  }
  await call.engine.images.tag(param(call, 'name'), repository, call.query.get('tag'));
  sendEmpty(call, 201);
}

async function removeImage(call: Call): Promise<void> {
  const name = param(call, 'name');
  if (name.trim() === '') throw invalidParameter('image name cannot be blank');
  const removed = await call.engine.images.remove(name, {
    force: call.query.bool('force'),
    noPrune: call.query.bool('noprune'),
    platforms: call.version >= 50 ? call.query.all('platforms').flatMap(json => platformOf(json) ?? []) : [],
  });
  sendJson(call, 200, removed);
}

async function push(call: Call): Promise<void> {
  const { query, version } = call;
  const platform = version >= 46 ? platformOf(query.get('platform')) : undefined;
  const request = {
    image: param(call, 'name'),
    tag: query.get('tag'),
    platform,
    authorization: registryAuthorization(call),
  };
  await streamProgress(call, progress => call.engine.images.push(request, progress, call.signal));
}

async function search(call: Call): Promise<void> {
  const { query } = call;
  const options = {
    limit: limitOf(query.get('limit')),
    filters: parseFilters(query.get('filters')),
    authorization: registryAuthorization(call),
  };
  sendJson(call, 200, await call.engine.images.search(query.get('term'), options, call.signal));
}

function limitOf(text: string): number {
  if (text === '') return 0;
  try {
    return atoi(text);
  } catch (error) {
    throw invalidParameter(
      `invalid limit specified: strconv.Atoi: parsing ${JSON.stringify(text)}: ${messageOf(error)}`,
    );
  }
}

/** The platforms that an archive is restricted to: one since API 1.48, several since 1.52. */
function archivePlatforms(call: Call): string[] {
  if (call.version < 48) return [];
  if (call.version < 52) return [onlyPlatform(call)].filter(platform => platform !== undefined);
  return call.query.all('platform').flatMap(json => platformOf(json) ?? []);
}

/** The one platform that archives and histories may be restricted to, as `os/architecture/variant`. */
function onlyPlatform(call: Call): string | undefined {
  if (call.query.all('platform').length > 1) throw invalidParameter('multiple platform parameters not supported');
  return platformOf(call.query.get('platform'));
}

const platformSchema = struct('v1.Platform', {
  architecture: string,
  os: string,
  'os.version': string,
  'os.features': strings,
  variant: string,
});

function platformOf(json: string): string | undefined {
  if (json === '') return undefined;
  const { os, architecture, variant } = decodePlatform(json);
  if (!os && !architecture && variant) {
    throw invalidParameter('optional platform fields provided, but OS and Architecture are missing');
  }
  if (!os || !architecture) throw invalidParameter('both OS and Architecture must be provided');
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

function decodePlatform(json: string): { os: string; architecture: string; variant: string } {
  try {
    return decodeJson(json, platformSchema) as { os: string; architecture: string; variant: string };
  } catch (error) {
    // A body that ends early is worded otherwise than a text that does.
    const problem = messageOf(error)
      .replace(/^invalid JSON: /, '')
      .replace(/^unexpected EOF$/, 'unexpected end of JSON input')
      .replace('Go struct field .', 'Go struct field Platform.');
    throw invalidParameter(`failed to parse platform: ${problem}`);
  }
}
