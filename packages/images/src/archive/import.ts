import { statfs } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { invalidParameter } from '@gantry/errors';
import { type Digest, hostPlatform, parsePlatform, parseReference, withDefaultTag } from '@gantry/oci';
import type { ImageConfigDocument, StoredImage } from '../face.ts';
import type { ImageRepository } from '../store/image-repository.ts';

export type ImportOptions = {
  readonly reference: string | undefined;
  readonly message: string;
  readonly config: ImageConfigDocument['config'];
  readonly platform: string | undefined;
};

/** Makes an image of one layer from a root file system's archive, in any compression that we read. */
export async function importImage(
  images: ImageRepository,
  source: Readable,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<StoredImage> {
  const names = options.reference === undefined ? [] : [withDefaultTag(parseReference(options.reference))];
  const platform = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  if (platform.os !== hostPlatform().os) throw invalidParameter('operating system is not supported');
  const { driver, workers } = images.layers;
  const directory = await driver.incoming();
  try {
    await driver.prepare(directory, undefined);
    const { form } = driver;
    const limits = images.layers.limits(await freeBytes(directory));
    const task = {
      kind: 'unpack',
      directory,
      form,
      limits,
      path: undefined,
      expect: undefined,
      keepBlob: false,
    } as const;
    const taken = await workers.run(task, { input: source, signal });
    const configBytes = Buffer.from(JSON.stringify(configOf(taken.diffId, options, platform)));
    const [layer] = images.layers.wanted([taken.diffId]);
    return await images.commit({ configBytes, names, staged: [{ key: layer?.key ?? taken.diffId, directory, taken }] });
  } finally {
    await images.layers.discardDirectory(directory);
  }
}

function configOf(
  diffId: Digest,
  { message, config }: ImportOptions,
  { architecture, os, variant }: { architecture: string; os: string; variant?: string },
): ImageConfigDocument {
  const created = new Date().toISOString();
  return {
    architecture,
    ...(variant === undefined ? {} : { variant }),
    config: config ?? {},
    created,
    history: [{ created, comment: message }],
    os,
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
}

/** Bytes that are free on the file system of `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
