import type { Readable } from 'node:stream';
import { invalidParameter, isGantryError, notFound, systemError } from '@gantry/errors';
import { formatPlatform, type Platform, parseAnyReference, repositoryOf } from '@gantry/oci';
import type { StoredImage } from '../face.ts';
import type { NameRow } from '../store/database.ts';
import type { ImageRepository } from '../store/image-repository.ts';
import { imageArchive, type LayoutImage } from './layout.ts';

/**
 * Streams an archive of images, for load here, in Docker and in every tool that reads OCI layouts. A repository
 * without a tag means all of its tags; an image by id is saved without names.
 * @throws notFound `No such image: NAME` before the first byte
 */
export function saveImages(
  images: ImageRepository,
  refs: readonly string[],
  { platforms }: { readonly platforms: readonly Platform[] },
  signal: AbortSignal,
): Readable {
  if (refs.length === 0) throw invalidParameter('no image was named to save');
  const chosen = new Map<string, Selection & { readonly names: Set<string> }>();
  for (const selection of refs.flatMap(ref => select(images, ref, platforms))) {
    const key = [selection.imageId, ...selection.beside].join(' ');
    const known = chosen.get(key) ?? { ...selection, names: new Set() };
    if (selection.name !== undefined) known.names.add(selection.name);
    chosen.set(key, known);
  }
  const pins: Disposable[] = [];
  const layout = (imageId: string): Omit<LayoutImage, 'names' | 'beside'> => {
    const { config, configBytes } = images.byId(imageId);
    const layers = images.database.imageLayers(imageId);
    pins.push(images.layers.pin(layers.map(layer => layer.key)));
    images.noteUsed(imageId);
    return {
      configBytes,
      created: secondsOf(config.created),
      layers: layers.map(({ folder, diffId, archiveBytes }) => ({
        diffId,
        archiveBytes,
        directory: images.layers.driver.layerPath(folder),
      })),
    };
  };
  const archive = [...chosen.values()].map(
    ({ imageId, beside, names }): LayoutImage => ({
      ...layout(imageId),
      names: [...names].sort(),
      beside: beside.map(layout),
    }),
  );
  const stream = images.layers.workers.stream({ kind: 'save', members: imageArchive(archive) }, signal);
  stream.once('close', () => {
    for (const pin of pins) pin[Symbol.dispose]();
  });
  return stream;
}

/** An image, and those of other platforms that are saved under the same name. */
type Selection = { readonly imageId: string; readonly beside: readonly string[]; readonly name: string | undefined };

function select(images: ImageRepository, ref: string, platforms: readonly Platform[]): Selection[] {
  const any = parseAnyReference(ref);
  if (any.kind === 'id') return [only(images, images.get(ref).id, ref, platforms)];
  const { reference } = any;
  if (reference.tag === undefined && reference.digest === undefined) {
    const prefix = `${repositoryOf(reference)}:`;
    const tags = images.database.names().filter(({ name, kind }) => kind === 'tag' && name.startsWith(prefix));
    if (tags.length > 0) return tags.map(row => named(images, row, ref, platforms));
  }
  if (!images.has(ref)) {
    // dockerd has other words here for a name with a tag than for one that may also be an id.
    throw notFound(reference.tag === undefined ? `No such image: ${ref}` : 'reference does not exist');
  }
  const row = images.nameRow(reference);
  if (!row) return [only(images, images.get(ref).id, ref, platforms)];
  const selection = named(images, row, ref, platforms);
  return [row.kind === 'tag' ? selection : { ...selection, name: undefined }];
}

function only(images: ImageRepository, imageId: string, ref: string, platforms: readonly Platform[]): Selection {
  for (const platform of platforms) exported(images, ref, platform);
  return { imageId, beside: [], name: undefined };
}

function named(images: ImageRepository, row: NameRow, ref: string, platforms: readonly Platform[]): Selection {
  const all = images.platformsOf(row).map(image => image.id);
  // Throws for a platform that is not here.
  const ids =
    platforms.length === 0 ? all : [...new Set(platforms.map(platform => exported(images, ref, platform).id))];
  const [imageId = row.imageId, ...beside] = ids;
  return { imageId, beside, name: row.name };
}

/** The image of a platform. @throws system in dockerd's words when it is not here */
function exported(images: ImageRepository, ref: string, platform: Platform): StoredImage {
  try {
    return images.get(ref, platform);
  } catch (error) {
    if (!isGantryError(error, 'notFound')) throw error;
    throw systemError(`no suitable export target found for platform ${formatPlatform(platform)}`, {
      cause: error,
      hint: error.message,
    });
  }
}

function secondsOf(created: string | undefined): number {
  const milliseconds = Date.parse(created ?? '');
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0 : Math.floor(milliseconds / 1000);
}
