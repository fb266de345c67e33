import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { ApiError, type ContainerCreateBody, type EngineClient } from '@gantry/client';
import type { Context } from '../command.ts';
import { ExitError } from '../errors.ts';
import type { Values } from '../flags/parse.ts';
import { familiar, parseReference, withDefaultTag } from '../reference.ts';

/** Makes the container, pulling its image when `--pull` says so or it is missing. Resolves with its id. @throws ExitError, ApiError */
export async function createContainer(
  context: Context,
  engine: EngineClient,
  values: Values,
  body: ContainerCreateBody,
): Promise<string> {
  const policy = values.text('pull') ?? 'missing';
  if (!['always', 'missing', 'never'].includes(policy)) {
    throw new ExitError(125, `invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
  }
  const image = body.Image ?? '';
  const byId = /^(sha256:)?[0-9a-f]{64}$/.test(image);
  const reference = byId ? undefined : withDefaultTag(parseReference(image));
  using cidFile = openCidFile(values.text('cidfile'));
  const pull = async () => {
    if (!reference) return;
    const { pullImage } = await import('../pull.ts');
    await pullImage(engine, reference, {
      globals: context.globals,
      platform: values.text('platform'),
      out: values.on('quiet') ? undefined : context.stderr,
    });
  };
  const create = () => engine.containers.create(body, { name: values.text('name'), platform: values.text('platform') });
  if (policy === 'always') await pull();
  let created: Awaited<ReturnType<typeof create>>;
  try {
    created = await create();
  } catch (error) {
    const missing = error instanceof ApiError && error.status === 404 && /no such image/i.test(error.message);
    if (!missing || !reference || policy !== 'missing') throw error;
    if (!values.on('quiet')) context.stderr.write(`Unable to find image '${familiar(reference)}' locally\n`);
    await pull();
    created = await create();
  }
  for (const warning of created.Warnings ?? []) context.stderr.write(`WARNING: ${warning}\n`);
  cidFile.write(created.Id);
  return created.Id;
}

/** The file is made before the container, so that two runs cannot share one, and removed when there is no container. */
function openCidFile(path: string | undefined): Disposable & { write(id: string): void } {
  if (!path) return { write() {}, [Symbol.dispose]() {} };
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o644);
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw new ExitError(
      125,
      exists
        ? `container ID file found, make sure the other container isn't running or delete ${path}`
        : `failed to create the container ID file: open ${path}: ${error instanceof Error ? error.message : error}`,
    );
  }
  let written = false;
  return {
    write(id) {
      writeSync(descriptor, id);
      written = true;
    },
    [Symbol.dispose]() {
      closeSync(descriptor);
      if (!written) rmSync(path, { force: true });
    },
  };
}
