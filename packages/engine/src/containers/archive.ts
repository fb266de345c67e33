import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { invalidParameter, isGantryError, notFound } from '@gantry/errors';
import type { PathStatus } from '@gantry/images';
import type { EngineContext } from '../context.ts';
import type { ArchiveWrite } from '../engine.ts';
import { findUser, readAccountFiles } from '../spec/user.ts';
import type { Container } from './container.ts';
import { openRootView, type RootView } from './root-view.ts';

/** Describes what is at a path of a container. @throws notFound `Could not find the file X in container C` */
export async function statusOfPath(
  context: EngineContext,
  container: Container,
  path: string,
  ref: string,
): Promise<PathStatus> {
  const root = await openRootView(context, container, { withVolumes: true });
  try {
    return await named(path, ref, context.options.images.files.status(root.fd, path));
  } finally {
    root.close();
  }
}

/** A tar archive of what is at a path of a container, and its description. */
export async function readPath(
  context: EngineContext,
  container: Container,
  path: string,
  ref: string,
  signal: AbortSignal,
): Promise<{ readonly status: PathStatus; readonly body: Readable }> {
  const { files } = context.options.images;
  const root = await openRootView(context, container, { withVolumes: true });
  let body: Readable | undefined;
  try {
    const absolute = absoluteOf(path);
    const status = await named(path, ref, files.status(root.fd, absolute));
    body = files.read(root.fd, absolute, signal, () => root.close());
    context.containerEvent(container, 'archive-path');
    return { status, body };
  } finally {
    if (!body) root.close();
  }
}

/**
 * Extracts an archive into a directory of a container.
 * @throws notFound when there is none, invalidParameter when it is no directory or read-only
 */
export async function writePath(
  context: EngineContext,
  container: Container,
  { path, source, keepKind, ownedByUser, signal }: ArchiveWrite,
  ref: string,
): Promise<void> {
  const { files } = context.options.images;
  const root = await openRootView(context, container, { withVolumes: true });
  try {
    // Links at the end are followed here: the archive goes into the directory that they lead to.
    const target = await named(path, ref, files.target(root.fd, absoluteOf(path)));
    refuseReadOnly(container, target);
    const owner = ownedByUser ? ownerOf(container, root) : undefined;
    await named(path, ref, files.write(root.fd, target, source, { keepKind, owner }, signal));
    context.containerEvent(container, 'extract-to-dir');
  } finally {
    root.close();
  }
}

/** The root file system of a container as a tar archive, without its volumes. */
export async function exportContainer(
  context: EngineContext,
  container: Container,
  signal: AbortSignal,
): Promise<Readable> {
  const root = await openRootView(context, container, { withVolumes: false });
  const body = context.options.images.files.export(root.fd, signal, () => root.close());
  context.containerEvent(container, 'export');
  return body;
}

/** Lexically clean and absolute; a final slash or dot stays, since it asks for a directory. */
function absoluteOf(path: string): string {
  const clean = posix.resolve('/', path);
  if (clean === '/') return clean;
  if (/(^|\/)\.$/.test(path)) return `${clean}/.`;
  return path.endsWith('/') ? `${clean}/` : clean;
}

function refuseReadOnly(container: Container, target: string): void {
  const { mounts, hostConfig } = container.document;
  const inside = mounts
    .filter(({ destination }) => target === destination || target.startsWith(`${destination.replace(/\/$/, '')}/`))
    .sort((a, b) => b.destination.length - a.destination.length);
  const [mount] = inside;
  if (mount && !mount.rw) throw invalidParameter('mounted volume is marked read-only');
  if (!mount && hostConfig.ReadonlyRootfs) throw invalidParameter('container rootfs is marked read-only');
}

function ownerOf(container: Container, root: RootView): { uid: number; gid: number } | undefined {
  const { User } = container.document.config;
  if (User === '') return undefined;
  const { uid, gid } = findUser(User, [], readAccountFiles(root.fd));
  return { uid, gid };
}

async function named<T>(path: string, ref: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isGantryError(error, 'notFound')) throw error;
    throw notFound(`Could not find the file ${path} in container ${ref}`, { cause: error });
  }
}
