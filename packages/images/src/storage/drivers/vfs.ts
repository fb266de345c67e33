import { readdirSync, readlinkSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { notFound, unavailable } from '@gantry/errors';
import { LAYER_ROOT } from '../../unpack/layer-intake.ts';
import type { Workers } from '../../worker/workers.ts';
import type { StorageDriver } from '../driver.ts';
import { Folders } from '../folders.ts';
import { Quotas } from '../quotas.ts';

const SEPARATOR = ':';

/** The driver without overlayfs: every layer and every container is a whole copy. Slow and large, and works everywhere. */
export async function openVfs(root: string, workers: Workers): Promise<StorageDriver> {
  const folders = await Folders.make(root);
  const quotas = new Quotas(root, ['c', 'trash', 'incoming'], workers);
  const tree = (path: string): string => `${path}/${LAYER_ROOT}`;
  const readLower = (id: string): string[] => {
    try {
      return readlinkSync(`${folders.container(id)}/lower`)
        .split(SEPARATOR)
        .slice(1);
    } catch {
      throw notFound(`the writable layer of container ${id} does not exist`);
    }
  };
  const copy = async (below: string | undefined, to: string): Promise<void> => {
    await mkdir(to, { mode: 0o755 });
    if (below !== undefined) await workers.run({ kind: 'copy', from: tree(below), to });
  };

  return {
    name: 'vfs',
    form: 'whole',
    status: [],
    layerPath: layer => folders.layer(layer),
    layers: () => folders.layers(),
    incoming: () => folders.incoming(),
    prepare: (incoming, below) => copy(below, tree(incoming)),
    accept: (incoming, layer) => folders.accept(incoming, layer),

    async createContainer(id, lower, { limitBytes = 0 }) {
      // Made aside and renamed: a copy takes its time, and a half one must never be seen.
      const path = await folders.incoming();
      try {
        if (limitBytes > 0) await quotas.limit(path, limitBytes);
        const top = lower.at(-1);
        await copy(top === undefined ? undefined : folders.layer(top), tree(path));
        await symlink(['durable', ...lower].join(SEPARATOR), `${path}/lower`);
        await folders.acceptContainer(path, id);
      } catch (error) {
        await rm(path, { recursive: true, force: true });
        throw error;
      }
    },
    containerRoot(id) {
      readLower(id);
      return { kind: 'directory', path: tree(folders.container(id)) };
    },
    layersRoot(layers) {
      const top = layers.at(-1);
      if (top === undefined) throw unavailable('an image without layers cannot be mounted by the storage driver vfs');
      return { kind: 'directory', path: tree(folders.layer(top)) };
    },
    containerLower: readLower,
    containers: () => readdirSync(`${root}/c`),
    containerTree: id => tree(folders.container(id)),
    containerData: () => ({}),
    layersData: () => ({}),
    discardContainer: id => folders.discard(folders.container(id)),
    discard: path => folders.discard(path),
    leftovers: () => folders.leftovers(),
  };
}
