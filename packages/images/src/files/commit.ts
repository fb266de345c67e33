import { freeBytes } from '../archive/import.ts';
import type { ImageConfigDocument, StoredImage } from '../face.ts';
import type { ImageRepository } from '../store/image-repository.ts';
import { differenceOf } from './container-difference.ts';

export type CommitOptions = {
  /** Undefined when it is gone, removed by force. */
  readonly parentId: string | undefined;
  /** Image configuration, without layers and history. */
  readonly config: ImageConfigDocument['config'];
  readonly author: string;
  readonly comment: string;
  /** What the history says that made the layer. */
  readonly createdBy: string;
  /** Paths that the engine makes in every container, without a leading slash. */
  readonly own: readonly string[];
};

/** The digest of an archive without members: such a layer is left out, as Docker does. */
const EMPTY_ARCHIVE = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

/** Makes an image of a container: the image below it, and one layer of what it has changed. */
export async function commitContainer(
  images: ImageRepository,
  containerId: string,
  options: CommitOptions,
  signal: AbortSignal,
): Promise<StoredImage> {
  const { driver, workers } = images.layers;
  const { form } = driver;
  const parent = options.parentId === undefined ? undefined : images.byId(options.parentId);
  const below = parent ? images.database.imageLayers(parent.id) : [];
  using _ = images.layers.pin(below.map(layer => layer.key));
  const directory = await driver.incoming();
  try {
    const top = below.at(-1);
    await driver.prepare(directory, top && driver.layerPath(top.folder));
    const limits = images.layers.limits(await freeBytes(directory));
    const difference = differenceOf(driver, containerId, options.own);
    const taken = await workers.run({ kind: 'commit', directory, form, limits, difference }, { signal });
    const isEmpty = taken.diffId === EMPTY_ARCHIVE;
    const diffIds = [...below.map(layer => layer.diffId), ...(isEmpty ? [] : [taken.diffId])];
    const configBytes = Buffer.from(JSON.stringify(documentOf(parent?.config, diffIds, isEmpty, options)));
    const key = images.layers.wanted(diffIds).at(-1)?.key ?? taken.diffId;
    return await images.commit({
      configBytes,
      names: [],
      staged: isEmpty ? [] : [{ key, directory, taken }],
      ...(parent ? { parentId: parent.id } : {}),
    });
  } finally {
    await images.layers.discardDirectory(directory);
  }
}

function documentOf(
  parent: ImageConfigDocument | undefined,
  diffIds: readonly string[],
  isEmpty: boolean,
  { author, comment, createdBy, config }: CommitOptions,
): ImageConfigDocument {
  const created = new Date().toISOString();
  const step = {
    created,
    ...(author === '' ? {} : { author }),
    ...(createdBy === '' ? {} : { created_by: createdBy }),
    ...(comment === '' ? {} : { comment }),
    ...(isEmpty ? { empty_layer: true } : {}),
  };
  return {
    architecture: parent?.architecture ?? (process.arch === 'x64' ? 'amd64' : process.arch),
    ...(parent?.variant === undefined ? {} : { variant: parent.variant }),
    ...(author === '' ? {} : { author }),
    config: config ?? {},
    created,
    history: [...(parent?.history ?? []), step],
    os: parent?.os ?? 'linux',
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
}
