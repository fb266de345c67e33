import type { Readable } from 'node:stream';
import { invalidParameter, notFound } from '@gantry/errors';
import { familiarReference, formatReference, parseAnyReference, repositoryOf, withDefaultTag } from '@gantry/oci';
import type { ImageRepository } from '../store/image-repository.ts';
import { imageArchive, type LayoutImage } from './layout.ts';

/**
 * Streams an archive of images, for load here, in Docker and in every tool that reads OCI layouts. A repository
 * without a tag means all of its tags; an image by id is saved without names.
 * @throws notFound `No such image: NAME` before the first byte
 */
export function saveImages(images: ImageRepository, refs: readonly string[], signal: AbortSignal): Readable {
  if (refs.length === 0) throw invalidParameter('no image was named to save');
  const names = new Map<string, Set<string>>();
  for (const ref of refs) {
    const found = select(images, ref);
    for (const { imageId, name } of found) {
      const known = names.get(imageId) ?? new Set();
      if (name !== undefined) known.add(name);
      names.set(imageId, known);
    }
  }
  const pins: Disposable[] = [];
  const archive: LayoutImage[] = [];
  for (const [imageId, known] of names) {
    const { config, configBytes } = images.byId(imageId);
    const layers = images.database.imageLayers(imageId);
    pins.push(images.layers.pin(layers.map(layer => layer.key)));
    archive.push({
      configBytes,
      created: secondsOf(config.created),
      names: [...known].sort(),
      layers: layers.map(({ folder, diffId, archiveBytes }) => ({
        diffId,
        archiveBytes,
        directory: images.layers.driver.layerPath(folder),
      })),
    });
  }
  const stream = images.layers.workers.stream({ kind: 'save', members: imageArchive(archive) }, signal);
  stream.once('close', () => {
    for (const pin of pins) pin[Symbol.dispose]();
  });
  return stream;
}

function select(images: ImageRepository, ref: string): { imageId: string; name: string | undefined }[] {
  const any = parseAnyReference(ref);
  if (any.kind === 'name') {
    const { reference } = any;
    if (reference.tag === undefined && reference.digest === undefined) {
      const prefix = `${repositoryOf(reference)}:`;
      const tags = images.database.names().filter(({ name, kind }) => kind === 'tag' && name.startsWith(prefix));
      if (tags.length > 0) return tags.map(({ imageId, name }) => ({ imageId, name }));
    }
    const exact = withDefaultTag(reference);
    if (!images.has(ref)) {
      // dockerd has other words here for a name with a tag than for one that may also be an id.
      throw notFound(reference.tag === undefined ? `No such image: ${ref}` : 'reference does not exist');
    }
    const { id, repoTags } = images.get(ref);
    const isNamed = exact.digest === undefined && repoTags.includes(familiarReference(exact));
    return [{ imageId: id, name: isNamed ? formatReference(exact) : undefined }];
  }
  return [{ imageId: images.get(ref).id, name: undefined }];
}

function secondsOf(created: string | undefined): number {
  const milliseconds = Date.parse(created ?? '');
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0 : Math.floor(milliseconds / 1000);
}
