import type { ContainerConfig } from '@gantry/engine';
import { invalidParameter } from '@gantry/errors';
import { containerConfig } from '../documents/container-config.ts';
import { bodyStream, readJson } from '../http/body.ts';
import { type Call, param } from '../http/call.ts';
import { sendEmpty, sendJson, sendStream, writeHead } from '../http/reply.ts';

const TAR = 'application/x-tar';

type PathStatus = Awaited<ReturnType<Call['engine']['containers']['statusOfPath']>>;

/** `HEAD /containers/{name}/archive`: what is at a path, in a header. */
export async function statPath(call: Call): Promise<void> {
  const { name, path } = place(call);
  const status = await call.engine.containers.statusOfPath(name, path);
  writeHead(call.response, 200, [statHeader(status)]);
  call.response.end();
}

/** `GET /containers/{name}/archive` */
export async function getArchive(call: Call): Promise<void> {
  const { name, path } = place(call);
  const { status, body } = await call.engine.containers.readPath(name, path, call.signal);
  const [key, value] = statHeader(status);
  call.response.setHeader(key, value);
  await sendStream(call, body, TAR);
}

/** `PUT /containers/{name}/archive` */
export async function putArchive(call: Call): Promise<void> {
  const { name, path } = place(call);
  await call.engine.containers.writePath(name, {
    path,
    source: bodyStream(call),
    keepKind: call.query.bool('noOverwriteDirNonDir'),
    ownedByUser: call.query.bool('copyUIDGID'),
    signal: call.signal,
  });
  sendEmpty(call, 200);
}

/** `GET /containers/{name}/export` */
export async function exportContainer(call: Call): Promise<void> {
  await sendStream(call, await call.engine.containers.export(param(call, 'name'), call.signal), TAR);
}

/** `GET /containers/{name}/changes` */
export async function changes(call: Call): Promise<void> {
  const found = await call.engine.containers.changes(param(call, 'name'));
  sendJson(call, 200, found.length === 0 ? null : found);
}

/** `POST /commit` */
export async function commit(call: Call): Promise<void> {
  const { query } = call;
  const config = (await readJson(call, containerConfig)) as Partial<ContainerConfig> | null;
  const isEmpty = config === null || Object.values(config).every(value => !value || Object.keys(value).length === 0);
  const id = await call.engine.containers.commit(
    query.get('container'),
    {
      repository: query.get('repo'),
      tag: query.get('tag'),
      author: query.get('author'),
      comment: query.get('comment'),
      pause: query.get('pause') === '' || query.bool('pause'),
      changes: query.all('changes').flatMap(text => text.split('\n')),
      config: isEmpty ? undefined : config,
    },
    call.signal,
  );
  sendJson(call, 201, { Id: id });
}

function place(call: Call): { readonly name: string; readonly path: string } {
  const name = param(call, 'name');
  const path = call.query.get('path');
  if (name === '') throw invalidParameter('bad parameter: namecannot be empty');
  if (path === '') throw invalidParameter('bad parameter: pathcannot be empty');
  return { name, path };
}

/** Base64 of Docker's JSON, times with as many digits as they need. */
function statHeader({ name, sizeBytes, mode, modification, linkTarget }: PathStatus): readonly [string, string] {
  const fraction = String(modification.nanoseconds).padStart(9, '0').replace(/0+$/, '');
  const seconds = new Date(modification.seconds * 1000).toISOString().slice(0, 19);
  const mtime = `${seconds}${fraction === '' ? '' : `.${fraction}`}Z`;
  const json = JSON.stringify({ name, size: sizeBytes, mode, mtime, linkTarget });
  const escaped = json.replace(/[<>&]/g, found => `\\u00${found.charCodeAt(0).toString(16)}`);
  return ['X-Docker-Container-Path-Stat', Buffer.from(escaped).toString('base64')];
}
