import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { loadImages } from './archive/load.ts';
import type { ImageStore } from './face.ts';
import type { ImageRepository } from './store/image-repository.ts';

/**
 * Loads each archive (`*.tar`) in `directory` once for a data root: an image that the user removed stays away until
 * the archive itself changes. A directory that does not exist holds none; one that cannot be loaded (a full disk) is
 * told to `warn` and tried again at the next start.
 */
export async function seedImages(
  store: ImageStore,
  directory: string,
  warn: (message: string, error: unknown) => void,
): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter(name => name.endsWith('.tar')).sort()) {
    try {
      await store.seed(`${directory}/${name}`);
    } catch (error) {
      warn(`load the image of ${name}`, error);
    }
  }
}

/** Loads one archive unless one of its name and content was loaded before. Returns whether it was loaded. */
export async function seedArchive(images: ImageRepository, path: string): Promise<boolean> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const digest = `sha256:${hash.digest('hex')}`;
  if (images.database.seed(name) === digest) return false;
  const record = (): void => images.database.putSeed(name, digest);
  await loadImages(images, createReadStream(path), { platforms: [] }, () => {}, new AbortController().signal, record);
  return true;
}
