import { Readable } from 'node:stream';
import { invalidParameter } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import { familiarName, familiarReference, parsePlatform, parseReference, withDefaultTag, withTag } from '@gantry/oci';
import type { EngineContext } from './context.ts';
import type { Images } from './engine.ts';
import { parseImageChanges } from './image-changes.ts';
import { imageHistory, imageInspect } from './image-documents.ts';
import { download } from './image-download.ts';
import { imageExplanation } from './image-explanation.ts';
import { listImages } from './image-list.ts';
import { pruneImages } from './image-prune.ts';
import { pullImages } from './image-pull.ts';
import { removeImage } from './image-remove.ts';
import { searchImages } from './image-search.ts';

/** The images, in Docker's documents and with its events. */
export function imagesOf(context: EngineContext): Images {
  const { images: store } = context.options;
  const { condenser, jobs } = context;
  return {
    list: async options => listImages(context, options),
    inspect: async (ref, { platform, manifests }) =>
      imageInspect(context, store.get(ref, platform === undefined ? undefined : parsePlatform(platform)), manifests),
    history: async (ref, { platform }) => {
      const image = store.get(ref, platform === undefined ? undefined : parsePlatform(platform));
      return imageHistory(
        image,
        store.layers(image.id).map(({ sizeBytes }) => sizeBytes),
      );
    },
    explain: (ref, { platform, limit }, signal) =>
      jobs.run(
        'image.explain',
        ref,
        async () => {
          const image = store.get(ref, platform === undefined ? undefined : parsePlatform(platform));
          return imageExplanation(image, await store.explain(image.id, limit, signal));
        },
        signal,
      ),
    tag: (ref, repository, tag) =>
      jobs.run('image.tag', ref, async () => {
        const image = store.get(ref);
        const reference =
          tag === '' ? withDefaultTag(parseReference(repository)) : withTag(parseReference(repository), tag);
        const name = familiarReference(reference);
        await store.tag(ref, name);
        imageEvent(context, 'tag', image.id, name, image);
      }),
    remove: (ref, options) => jobs.run('image.remove', ref, () => removeImage(context, ref, options)),
    prune: filters => jobs.run('image.prune', '', () => pruneImages(context, filters)),
    pull: (request, progress, signal) =>
      condenser.during(() =>
        jobs.run('image.pull', request.image, () => pullImages(context, request, progress, signal), signal),
      ),
    push: ({ image, tag, platform, authorization }, progress, signal) =>
      condenser.during(() =>
        jobs.run(
          'image.push',
          image,
          async () => {
            const parsed = parseReference(image);
            const reference = familiarReference(tag === '' ? parsed : withTag(parsed, tag));
            // What is not here in that platform is refused before any progress.
            if (platform !== undefined) store.get(reference, parsePlatform(platform));
            await store.push(reference, { platform, authorization }, progress, signal);
            context.events.publish('image', 'push', reference, { name: familiarName(parsed) });
          },
          signal,
        ),
      ),
    distribution: (ref, authorization, signal) => store.registries.inspect(ref, authorization, signal),
    referrers: (ref, artifactType, authorization, signal) =>
      store.registries.referrers(ref, artifactType, authorization, signal),
    search: (term, options, signal) => searchImages(context, term, options, signal),
    load: (archive, { platforms }, progress, signal) =>
      condenser.during(() =>
        jobs.run(
          'image.load',
          '',
          async () => {
            const wanted = { platforms: platforms.map(platform => parsePlatform(platform)) };
            for (const id of await store.load(archive, wanted, progress, signal)) imageEvent(context, 'load', id, id);
          },
          signal,
        ),
      ),
    import: (source, options, progress, signal) =>
      condenser.during(() =>
        jobs.run(
          'image.import',
          options.repository,
          async () => {
            const reference = importReference(options.repository, options.tag);
            const config = parseImageChanges(options.changes);
            const body =
              source instanceof Readable ? source : await download(store.registries, source.url, progress, signal);
            const image = await store.import(
              body,
              {
                reference,
                message: options.message === '' ? 'Imported from -' : options.message,
                config,
                platform: options.platform,
              },
              signal,
            );
            imageEvent(context, 'import', image.id, image.id, image);
            if (reference !== undefined) imageEvent(context, 'tag', image.id, reference, image);
            progress({ status: image.id });
          },
          signal,
        ),
      ),
    save: (refs, { platforms }, signal) =>
      jobs.run('image.save', refs.join(' '), async () => {
        const wanted = { platforms: platforms.map(platform => parsePlatform(platform)) };
        const stream = await store.save(refs, wanted, signal);
        for (const ref of refs) {
          const image = store.get(ref);
          imageEvent(context, 'save', image.id, image.id, image);
        }
        return stream;
      }),
  };
}

/** @param image its labels become attributes; omitted when it is gone */
export function imageEvent(
  context: EngineContext,
  action: string,
  id: string,
  name: string,
  image?: StoredImage,
): void {
  context.events.publish('image', action, id, { ...(image?.config.config?.Labels ?? {}), name });
}

function importReference(repository: string, tag: string): string | undefined {
  if (repository === '') return undefined;
  const reference = parseReference(repository);
  if (reference.digest !== undefined) throw invalidParameter('cannot import digest reference');
  return familiarReference(tag === '' ? withDefaultTag(reference) : withTag(reference, tag));
}
