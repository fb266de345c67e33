import { invalidParameter } from '@gantry/errors';
import { familiarName, familiarReference, parseReference, type Reference, withTag } from '@gantry/oci';
import type { EngineContext } from './context.ts';
import type { Images, Progress } from './engine.ts';

/** Pulls one image, or without tag and digest all tags of a repository, one after the other as dockerd does. */
export async function pullImages(
  context: EngineContext,
  { image, tag, platform, authorization, explain = false }: Parameters<Images['pull']>[0],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { images: store } = context.options;
  const reference = pullReference(image, tag);
  const isAll = reference.tag === undefined && reference.digest === undefined;
  const name = familiarReference(reference);
  const labels = isAll ? await pullTags() : (await pullOne(name, false)).config.config?.Labels;
  context.events.publish('image', 'pull', name, { ...(labels ?? {}), name: familiarName(reference) });

  function pullOne(text: string, isOneOfMany: boolean): ReturnType<typeof store.pull> {
    return store.pull(text, { platform, authorization, explain, isOneOfMany }, progress, signal);
  }

  async function pullTags(): Promise<undefined> {
    const tags = await store.registries.tags(name, authorization, signal);
    if (tags.length === 0) throw invalidParameter(`the repository ${name} has no tags`);
    const before = new Map(store.list().flatMap(({ id, repoTags }) => repoTags.map(repoTag => [repoTag, id] as const)));
    let isNew = false;
    for (const each of tags) {
      const text = familiarReference(withTag(reference, each));
      isNew = (await pullOne(text, true)).id !== before.get(text) || isNew;
    }
    progress({ status: `Status: ${isNew ? 'Downloaded newer image for' : 'Image is up to date for'} ${name}` });
  }
}

/** `tag` is a tag or a digest; without it the name keeps its own. */
function pullReference(image: string, tag: string): Reference {
  if (tag.includes(':')) return parseReference(`${image}@${tag}`);
  const reference = parseReference(image);
  return tag === '' ? reference : withTag(reference, tag);
}
