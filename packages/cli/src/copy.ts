import { spawn } from 'node:child_process';
import { lstatSync, mkdtempSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ApiError, type EngineClient } from '@gantry/client';
import type { Context } from './command.ts';
import { ExitError } from './errors.ts';

export type CopyOptions = { readonly keepsOwner: boolean; readonly followsLink: boolean };

const DIRECTORY = 2 ** 31;
const endsInDirectory = (path: string): boolean => /(^|\/)\.?$/.test(path);
const meansContent = (path: string): boolean => /(^|\/)\.$/.test(path);

/** Copies from a container to a local path, or to standard output for `-`. Returns the bytes of the archive. */
export async function copyOut(
  context: Context,
  engine: EngineClient,
  container: string,
  source: string,
  target: string,
  options: CopyOptions,
): Promise<number> {
  let path = source;
  let name = posix.basename(posix.resolve('/', source));
  if (options.followsLink) {
    const { linkTarget } = await engine.containers.stat(container, source);
    if (linkTarget !== '') path = linkTarget;
  }
  const { stat, body } = await engine.containers.readArchive(container, path);
  const counted = new Counted(body);
  if (target === '-') {
    await pipeline(counted, context.stdout, { end: false });
    return counted.bytes;
  }
  const isDirectory = stat.mode >= DIRECTORY;
  const there = statSync(target, { throwIfNoEntry: false });
  let folder = target;
  if (there?.isDirectory()) {
    if (meansContent(source) || stat.name === name) {
      await untar(counted, target, options);
      return counted.bytes;
    }
  } else {
    if (there && isDirectory) throw new ExitError(1, 'cannot copy directory');
    if (!there && !isDirectory && endsInDirectory(target)) throw new ExitError(1, 'no such directory');
    folder = dirname(resolve(target));
    name = basename(resolve(target));
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      throw new ExitError(1, `invalid output path: directory ${JSON.stringify(folder)} does not exist`);
    }
  }
  // Under another name than in the archive: extracted beside, then moved.
  const beside = mkdtempSync(join(folder, '.gantry-cp-'));
  try {
    await untar(counted, beside, options);
    renameSync(meansContent(source) ? beside : join(beside, stat.name === '/' ? '.' : stat.name), join(folder, name));
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  return counted.bytes;
}

/** Copies a local path, or an archive on standard input for `-`, into a container. */
export async function copyIn(
  context: Context,
  engine: EngineClient,
  source: string,
  container: string,
  target: string,
  options: CopyOptions,
): Promise<number> {
  const write = async (archive: AsyncIterable<Uint8Array>, folder: string, keepKind: boolean): Promise<number> => {
    const counted = new Counted(archive);
    await engine.containers.writeArchive(container, folder, counted, { keepKind, ownedByUser: options.keepsOwner });
    return counted.bytes;
  };
  const there = await statOrNothing(engine, container, target);
  if (source === '-') {
    if (there && there.mode < DIRECTORY) {
      throw new ExitError(1, `destination "${container}:${target}" must be a directory`);
    }
    return write(context.stdin, target, false);
  }
  const local = options.followsLink ? realpathSync(source) : source;
  const status = endsInDirectory(source) ? statSync(local) : lstatSync(local, { throwIfNoEntry: false });
  if (!status) throw new ExitError(1, `lstat ${resolve(source)}: no such file or directory`);
  let folder = target;
  let name = basename(resolve(source));
  if (there && there.mode >= DIRECTORY) {
    if (meansContent(source)) return write(tar(local, '.', '.'), target, true);
  } else {
    if (there && status.isDirectory()) throw new ExitError(1, 'cannot copy directory');
    if (!there && !status.isDirectory() && endsInDirectory(target)) throw new ExitError(1, 'no such directory');
    const clean = posix.resolve('/', there?.path ?? target);
    folder = posix.dirname(clean);
    name = posix.basename(clean);
  }
  const full = resolve(local);
  return write(tar(dirname(full), basename(full), name), folder, true);
}

/** What the target is, a link followed; undefined when nothing is there. */
async function statOrNothing(
  engine: EngineClient,
  container: string,
  path: string,
): Promise<{ readonly mode: number; readonly path: string } | undefined> {
  try {
    const { mode, linkTarget } = await engine.containers.stat(container, path);
    if (linkTarget === '') return { mode, path };
    return { mode: (await engine.containers.stat(container, linkTarget)).mode, path: linkTarget };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Passes bytes on and counts them. */
class Counted implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  bytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for await (const piece of this.#source) {
      this.bytes += piece.length;
      yield piece;
    }
  }
}

/** An archive of one name in a folder, its first part written as `name`. */
async function* tar(folder: string, base: string, name: string): AsyncGenerator<Uint8Array, void> {
  const rename =
    base === name
      ? []
      : [`--transform=s,^${base.replace(/[\\^$.*[\],]/g, '\\$&')},${name.replace(/[\\&,]/g, '\\$&')},rhS`];
  const args = ['-C', folder, '--numeric-owner', '--format=posix', ...rename, '-cf', '-', '--', base];
  const child = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  ended.catch(() => {});
  yield* child.stdout as AsyncIterable<Uint8Array>;
  if ((await ended) !== 0) throw new ExitError(1, `tar could not read ${join(folder, base)}`);
}

async function untar(archive: AsyncIterable<Uint8Array>, folder: string, options: CopyOptions): Promise<void> {
  const owner = options.keepsOwner ? '--same-owner' : '--no-same-owner';
  const args = ['-C', folder, '--numeric-owner', owner, '-p', '-xf', '-'];
  const child = spawn('tar', args, { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  await Promise.all([
    pipeline(Readable.from(archive), child.stdin),
    ended.then(code => {
      if (code !== 0) throw new ExitError(1, `tar could not write to ${folder}`);
    }),
  ]);
}
