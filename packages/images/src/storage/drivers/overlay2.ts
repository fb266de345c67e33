import { lstatSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { notFound, unavailable } from '@gantry/errors';
import { errnoName, file } from '@gantry/linux';
import type { RootMount } from '../../face.ts';
import { LAYER_ROOT } from '../../unpack/layer-intake.ts';
import type { Workers } from '../../worker/workers.ts';
import type { StorageDriver } from '../driver.ts';
import { Folders } from '../folders.ts';
import { Quotas } from '../quotas.ts';

/** Layer below a container whose image has none: overlayfs wants one at least. */
const EMPTY = 'empty';
const SEPARATOR = ':';

/**
 * The driver for overlayfs. Layers hold their difference with overlayfs's own whiteouts. A container's directory holds
 * `upper`, `work`, and `lower`: a symbolic link whose text is `durable:` or `volatile:` and the layers' names, which is
 * made by one system call and cannot be half written.
 */
export async function openOverlay2(root: string, workers: Workers): Promise<StorageDriver> {
  const folders = await Folders.make(root);
  await mkdir(`${folders.layer(EMPTY)}/${LAYER_ROOT}`, { recursive: true, mode: 0o755 });
  await probe(folders);
  const quotas = new Quotas(root, ['c', 'trash'], workers);
  const tree = (layer: string): string => `${folders.layer(layer)}/${LAYER_ROOT}`;

  const readLower = (id: string): { volatile: boolean; lower: string[] } => {
    let text: string;
    try {
      text = readlinkSync(`${folders.container(id)}/lower`);
    } catch {
      throw notFound(`the writable layer of container ${id} does not exist`);
    }
    const [kind, ...lower] = text.split(SEPARATOR);
    return { volatile: kind === 'volatile', lower };
  };

  // The same difference twice in one stack shows nothing more than its upper one, and overlayfs refuses the second.
  const stack = (lower: readonly string[]): string[] => [...new Set([...lower].reverse())].map(tree);

  return {
    name: 'overlay2',
    form: 'difference',
    status: [
      ['Supports d_type', 'true'],
      ['Native Overlay Diff', 'true'],
    ],
    layerPath: layer => folders.layer(layer),
    layers: async () => (await folders.layers()).filter(layer => layer !== EMPTY),
    incoming: () => folders.incoming(),
    prepare: async () => {},
    accept: (incoming, layer) => folders.accept(incoming, layer),

    async createContainer(id, lower, { volatile, limitBytes = 0 }) {
      const path = folders.container(id);
      const below = lower.length === 0 ? [EMPTY] : lower;
      await mkdir(path, { mode: 0o710 });
      try {
        if (limitBytes > 0) await quotas.limit(path, limitBytes);
        await Promise.all([
          mkdir(`${path}/upper`, { mode: 0o755 }),
          mkdir(`${path}/work`, { mode: 0o700 }),
          symlink([volatile ? 'volatile' : 'durable', ...below].join(SEPARATOR), `${path}/lower`),
        ]);
      } catch (error) {
        await rm(path, { recursive: true, force: true });
        throw error;
      }
    },

    containerRoot(id): RootMount {
      const { volatile, lower } = readLower(id);
      const path = folders.container(id);
      if (volatile) forgetVolatileMount(path);
      return { kind: 'overlay', lower: stack(lower), upper: `${path}/upper`, work: `${path}/work`, volatile };
    },
    // Overlayfs wants two layers where none can be written.
    layersRoot: layers => ({ kind: 'layers', lower: [...stack(layers), tree(EMPTY)] }),
    containerLower: id => readLower(id).lower.filter(layer => layer !== EMPTY),
    containers: () => readdirSync(`${root}/c`),
    containerTree: id => `${folders.container(id)}/upper`,
    containerData(id) {
      const path = folders.container(id);
      const data = { MergedDir: `${path}/merged`, UpperDir: `${path}/upper`, WorkDir: `${path}/work` };
      // A container whose folder someone removed can still be looked at.
      if (!lstatSync(`${path}/lower`, { throwIfNoEntry: false })) return data;
      return { LowerDir: stack(readLower(id).lower).join(SEPARATOR), ...data };
    },
    layersData(lower) {
      const [top = EMPTY, ...below] = [...lower].reverse();
      const path = folders.layer(top);
      const data = { MergedDir: `${path}/merged`, UpperDir: tree(top), WorkDir: `${path}/work` };
      return below.length === 0 ? data : { LowerDir: below.map(tree).join(SEPARATOR), ...data };
    },
    discardContainer: id => folders.discard(folders.container(id)),
    discard: path => folders.discard(path),
    leftovers: () => folders.leftovers(),
  };
}

/**
 * Overlayfs refuses to mount a volatile upper directory again, since a crash of the machine may have torn it. After a
 * restart of only the container it is whole; after one of the machine such containers are gone anyway.
 * @see overlayfs.rst, "Volatile mount"
 */
function forgetVolatileMount(path: string): void {
  rmSync(`${path}/work/work/incompat`, { recursive: true, force: true });
}

/** @throws unavailable when overlayfs does not work on this file system */
async function probe(folders: Folders): Promise<void> {
  const path = await folders.incoming();
  try {
    for (const name of ['lower', 'upper', 'work']) await mkdir(`${path}/${name}`);
    const result = file.tryOverlay(`${path}/lower`, `${path}/upper`, `${path}/work`);
    if (result < 0) {
      throw unavailable(`the storage driver overlay2 does not work in ${folders.root}: ${errnoName(-result)}`, {
        hint: 'load the kernel module overlay, put --data-root on ext4 or xfs, or choose --storage-driver vfs',
      });
    }
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
