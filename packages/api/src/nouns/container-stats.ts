import { once } from 'node:events';
import { invalidParameter } from '@gantry/errors';
import { type Call, param } from '../http/call.ts';
import { startStream, writeHead } from '../http/reply.ts';
import { encodeJsonLine } from '../json/encode.ts';

/** Measurements of a container: a stream of them, or one. */
export async function stats(call: Call): Promise<void> {
  const { query, version, response } = call;
  const stream = query.boolOr('stream', true);
  const oneShot = version >= 41 && query.boolOr('one-shot', false);
  if (stream && oneShot) throw invalidParameter('cannot have stream=true and one-shot=true');
  const samples = await call.engine.containers.stats(param(call, 'name'), { stream, oneShot }, call.signal);
  if (stream) {
    // dockerd names no type here.
    writeHead(response, 200, []);
    response.flushHeaders();
  } else startStream(call, 'application/json');
  for await (const sample of samples) {
    if (call.signal.aborted) break;
    if (!response.write(encodeJsonLine(sample))) await once(response, 'drain', { signal: call.signal }).catch(() => {});
  }
  response.end();
}
