import { conflict, type GantryError, isGantryError } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import { familiarName, familiarReference, parsePlatform, parseReference, withDefaultTag } from '@gantry/oci';
import type { Container } from './containers/container.ts';
import type { EngineContext } from './context.ts';
import type { ImageDeleteItem } from './documents/index.ts';
import { imageEvent } from './images.ts';

const short = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/**
 * Removes a name, and the image with it when that was its last name and no container needs it.
 * By id, an image of several repositories needs `force`.
 * @throws notFound, conflict in Docker's words
 */
export async function removeImage(
  context: EngineContext,
  ref: string,
  {
    force,
    noPrune,
    platforms = [],
  }: { readonly force: boolean; readonly noPrune: boolean; readonly platforms?: readonly string[] },
): Promise<ImageDeleteItem[]> {
  const { images: store } = context.options;
  const image = store.get(ref);
  const records: ImageDeleteItem[] = [];
  if (platforms.length > 0) {
    const chosen = platforms.map(platform => store.get(ref, parsePlatform(platform)).id);
    for (const id of new Set(chosen)) await removePlatform(context, id, records, { force, noPrune });
    return records;
  }
  const single = isSingleRepository(image);
  const left = new Set<string>();
  let quiet = false;
  if (isIdPrefix(image.id, ref)) {
    if (single) {
      // Its names are all of one repository: they count as one and go with the image.
      const problem = conflictOf(context, image, { soft: !force, names: false });
      if (problem) throw problem.error;
      for (const id of await untagAll(context, image, records)) left.add(id);
    }
  } else {
    const [user] = context.containers.ofImage(image.id);
    if (!force && single && user) {
      throw conflict(
        `conflict: unable to remove repository reference "${ref}" (must force) - container ${short(user.id)} is using its referenced image ${short(image.id)}`,
      );
    }
    const name = familiarReference(withDefaultTag(parseReference(ref)));
    for (const id of await untag(context, image, name, records)) left.add(id);
    const rest = remaining(context, image);
    const repository = familiarName(parseReference(ref));
    if (!rest?.repoTags.some(tag => familiarName(parseReference(tag)) === repository)) {
      for (const digest of rest?.repoDigests ?? []) {
        if (familiarName(parseReference(digest)) === repository) {
          for (const id of await store.untag(digest)) left.add(id);
          records.push({ Untagged: digest });
        }
      }
    }
    const now = remaining(context, image);
    if (!now || now.repoTags.length + now.repoDigests.length > 0) {
      await deleteLeft(context, [...left], records, { force, noPrune });
      return records;
    }
    quiet = true;
  }
  await deleteImage(context, image.id, records, { force, noPrune, quiet });
  await deleteLeft(context, [...left], records, { force, noPrune });
  return records;
}

/** Removes one platform of an image: the others keep its names. */
async function removePlatform(
  context: EngineContext,
  id: string,
  records: ImageDeleteItem[],
  options: { readonly force: boolean; readonly noPrune: boolean },
): Promise<void> {
  const { images: store } = context.options;
  const problem = conflictOf(context, store.get(id), { soft: !options.force, names: false });
  if (problem) throw problem.error;
  await store.leavePlatforms(id);
  await deleteImage(context, id, records, { ...options, force: true, quiet: false });
}

/** Images that were only other platforms of names which are gone: they go too, unless a container has one. */
async function deleteLeft(
  context: EngineContext,
  ids: readonly string[],
  records: ImageDeleteItem[],
  options: { readonly force: boolean; readonly noPrune: boolean },
): Promise<void> {
  for (const id of ids) {
    try {
      await deleteImage(context, id, records, { ...options, quiet: true });
    } catch (error) {
      if (!isGantryError(error, 'conflict') && !isGantryError(error, 'notFound')) throw error;
    }
  }
}

async function deleteImage(
  context: EngineContext,
  id: string,
  records: ImageDeleteItem[],
  { force, noPrune, quiet }: { readonly force: boolean; readonly noPrune: boolean; readonly quiet: boolean },
): Promise<void> {
  const { images: store } = context.options;
  const image = store.get(id);
  const problem = conflictOf(context, image, { soft: !force, names: true });
  if (problem) {
    const dangling = image.repoTags.length + image.repoDigests.length === 0 && !hasChildren(context, image);
    if (quiet && (!dangling || problem.used)) return;
    throw problem.error;
  }
  const left = await untagAll(context, image, records);
  const deleted = await store.delete(id, { noPrune });
  imageEvent(context, 'delete', id, id);
  // The store names what went: the image, its layers, and parents without names unless noPrune.
  const known = new Set(deleted);
  if (!known.has(id)) records.push({ Deleted: id });
  for (const item of deleted) records.push({ Deleted: item });
  await deleteLeft(context, left, records, { force, noPrune });
}

function hasChildren({ options }: EngineContext, image: StoredImage): boolean {
  return options.images.list().some(({ parentId }) => parentId === image.id);
}

type Problem = { readonly error: GantryError; readonly used: boolean };

function conflictOf(
  context: EngineContext,
  image: StoredImage,
  { soft, names }: { readonly soft: boolean; readonly names: boolean },
): Problem | undefined {
  const problem = (hard: boolean, used: boolean, why: string): Problem => ({
    used,
    error: conflict(
      `conflict: unable to delete ${short(image.id)} (${hard ? 'cannot be' : 'must be'} forced) - ${why}`,
    ),
  });
  if (hasChildren(context, image)) {
    return problem(true, false, 'image has dependent child images');
  }
  const users = [...context.containers.ofImage(image.id)];
  const running = users.find((container: Container) => container.isUp);
  if (running) return problem(true, true, `image is being used by running container ${short(running.id)}`);
  if (soft && names && image.repoTags.length + image.repoDigests.length > 0) {
    return problem(false, false, 'image is referenced in multiple repositories');
  }
  const [stopped] = users;
  if (soft && stopped) return problem(false, true, `image is being used by stopped container ${short(stopped.id)}`);
  return undefined;
}

async function untag(
  context: EngineContext,
  image: StoredImage,
  name: string,
  records: ImageDeleteItem[],
): Promise<readonly string[]> {
  const left = await context.options.images.untag(name);
  imageEvent(context, 'untag', image.id, image.id, image);
  records.push({ Untagged: name });
  return left;
}

/** Returns the images of other platforms that lost their last name. */
async function untagAll(context: EngineContext, { id }: StoredImage, records: ImageDeleteItem[]): Promise<string[]> {
  const image = context.options.images.get(id);
  const left: string[] = [];
  for (const name of [...image.repoTags, ...image.repoDigests])
    left.push(...(await untag(context, image, name, records)));
  return left;
}

function remaining(context: EngineContext, { id }: StoredImage): StoredImage | undefined {
  return context.options.images.list().find(image => image.id === id);
}

/** One name, or one tag with digests of the same repository. */
function isSingleRepository({ repoTags, repoDigests }: StoredImage): boolean {
  if (repoTags.length + repoDigests.length === 1) return true;
  if (repoTags.length > 1 || repoDigests.length === 0) return false;
  const repositories = new Set(repoDigests.map(name => familiarName(parseReference(name))));
  const [only = repoDigests[0] ?? ''] = repoTags;
  return repositories.size === 1 && repositories.has(familiarName(parseReference(only)));
}

function isIdPrefix(id: string, ref: string): boolean {
  return id.startsWith(ref) || id.slice(id.indexOf(':') + 1).startsWith(ref);
}
