import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { invalidParameter } from '@gantry/errors';
import { familiarReference, formatReference, type Platform, parseImageConfig } from '@gantry/oci';
import type { TransferProgress } from '../face.ts';
import type { ImageRepository } from '../store/image-repository.ts';
import type { StagedLayer, WantedLayer } from '../store/layer-store.ts';
import type { ArchiveMember } from '../worker/tasks.ts';
import { type ArchivedImage, readArchiveIndex } from './archive-index.ts';
import { freeBytes } from './import.ts';

/**
 * Loads every image of an archive (Docker's or OCI's layout, in any compression that we read), and says so as dockerd does.
 * Returns the images' ids. Nothing of an image is visible before all of it was checked.
 */
export async function loadImages(
  images: ImageRepository,
  archive: Readable,
  { platforms }: { readonly platforms: readonly Platform[] },
  progress: TransferProgress,
  signal: AbortSignal,
  also?: () => void,
): Promise<string[]> {
  const { driver, workers } = images.layers;
  const directory = await driver.incoming();
  try {
    const limits = images.layers.limits(await freeBytes(directory));
    const layers = images.database.layers();
    // Pinned at once: they may lose their image while the archive is read.
    using _ = images.layers.pin(layers.map(layer => layer.key));
    const knownLayers = driver.form === 'difference' ? layers.map(layer => layer.diffId) : [];
    const task = { kind: 'archive', directory, form: driver.form, limits, knownLayers } as const;
    const contents = await workers.run(task, { input: archive, signal });
    const found = readArchiveIndex(contents, platforms);
    const ids: string[] = [];
    const said = new Set<string>();
    // The platforms of one name are one image for who reads along.
    const tell: TransferProgress = message => {
      if (message.stream === undefined || !said.has(message.stream)) progress(message);
      if (message.stream !== undefined) said.add(message.stream);
    };
    for (const [i, image] of found.entries()) {
      signal.throwIfAborted();
      const id = await loadOne(images, image, tell, signal, i === found.length - 1 ? also : undefined);
      ids.push(id);
    }
    return ids;
  } finally {
    await images.layers.discardDirectory(directory);
  }
}

async function loadOne(
  images: ImageRepository,
  image: ArchivedImage,
  progress: TransferProgress,
  signal: AbortSignal,
  also?: () => void,
): Promise<string> {
  if (image.config.kind !== 'document')
    throw invalidParameter('invalid archive: an image configuration is no JSON document');
  const configBytes = Buffer.from(image.config.bytes);
  const config = parseImageConfig(configBytes);
  const wanted = images.layers.wanted(config.rootfs.diff_ids);
  if (wanted.length !== image.layers.length) {
    throw invalidParameter(
      `invalid manifest, layers length mismatch: expected ${image.layers.length}, got ${wanted.length}`,
    );
  }
  const staged: StagedLayer[] = [];
  try {
    for (const [i, layer] of wanted.entries()) {
      const member = image.layers[i];
      if (!member) continue;
      const isNamed = image.manifests.length > 0;
      const ready = await stage(images, layer, member, isNamed, wanted[i - 1], staged, signal);
      if (ready) staged.push(ready);
    }
    const before = image.names.map(name => images.database.name(formatReference(name))?.imageId);
    const stored = await images.commit({
      configBytes,
      staged,
      names: image.names,
      target: image.target,
      manifests: image.manifests,
      also,
    });
    for (const [i, name] of image.names.entries()) {
      const old = before[i];
      if (old !== undefined && old !== stored.id && !images.platformIds(name).includes(old)) {
        const familiar = familiarReference(name);
        progress({
          stream: `The image ${familiar} already exists, renaming the old one with ID ${old} to empty string\n`,
        });
      }
      progress({ stream: `Loaded image: ${familiarReference(name)}\n` });
    }
    if (image.names.length === 0) progress({ stream: `Loaded image ID: ${stored.id}\n` });
    return stored.id;
  } finally {
    for (const { directory } of staged) await images.layers.discardDirectory(directory);
  }
}

/** Brings one layer to disk unless the store or this archive has it already. */
async function stage(
  images: ImageRepository,
  layer: WantedLayer,
  member: ArchiveMember,
  isNamed: boolean,
  below: WantedLayer | undefined,
  staged: readonly StagedLayer[],
  signal: AbortSignal,
): Promise<StagedLayer | undefined> {
  const mismatch = (found: string): Error =>
    invalidParameter(`invalid diffID for layer: expected "${layer.diffId}", got "${found}"`);
  const { driver, workers } = images.layers;
  if (images.database.layer(layer.key)) {
    if (member.kind !== 'blob' && member.digest !== layer.diffId) throw mismatch(member.digest);
    return undefined;
  }
  if (staged.some(other => other.key === layer.key)) return undefined;
  if (member.kind === 'layer') {
    if (member.digest !== layer.diffId) throw mismatch(member.digest);
    return { key: layer.key, directory: member.directory, taken: member.taken };
  }
  if (member.kind !== 'blob') throw mismatch(member.digest);
  const directory = await driver.incoming();
  try {
    await driver.prepare(directory, below && images.layers.directoryOf(below.key, staged));
    const limits = images.layers.limits(await freeBytes(directory));
    const task = {
      kind: 'unpack',
      directory,
      form: driver.form,
      limits,
      path: member.path,
      expect: undefined,
      // What a manifest names by its digest is sent on under that digest.
      keepBlob: isNamed,
    } as const;
    const taken = await workers.run(task, { signal });
    if (taken.diffId !== layer.diffId) throw mismatch(taken.diffId);
    return { key: layer.key, directory, taken };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}
