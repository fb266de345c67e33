import { stat } from 'node:fs/promises';
import type { Digest } from '@gantry/oci';
import { LAYER_BLOB, LAYER_DEFLATE } from '../unpack/layer-intake.ts';
import type { ImageDatabase, LayerRow } from './database.ts';
import type { LayerStore } from './layer-store.ts';

/** Digests of the kept blobs that nobody has tried to describe by a deflate record yet, or that one stands for already. */
export async function blobsToCondense(layers: LayerStore, database: ImageDatabase): Promise<Digest[]> {
  const rows = await Promise.all(
    database.layers().map(async layer => ((await isToCondense(layers, layer)) ? layer.keptBlob : undefined)),
  );
  return rows.filter(digest => digest !== undefined);
}

async function isToCondense(layers: LayerStore, { folder, keptBlob }: LayerRow): Promise<boolean> {
  if (keptBlob === undefined) return false;
  const directory = layers.driver.layerPath(folder);
  const sizeOf = async (name: string): Promise<number | undefined> =>
    (await stat(`${directory}/${name}`).catch(() => undefined))?.size;
  // One byte is the mark of a blob that stays whole.
  return (await sizeOf(LAYER_BLOB)) !== undefined && (await sizeOf(LAYER_DEFLATE)) !== 1;
}

/** Puts a deflate record in the place of a kept blob; nothing when its layer is gone. @throws cancelled */
export async function condenseBlob(
  layers: LayerStore,
  database: ImageDatabase,
  digest: Digest,
  signal: AbortSignal,
): Promise<void> {
  const layer = database.layers().find(({ keptBlob }) => keptBlob === digest);
  if (!layer) return;
  using _ = layers.pin([layer.key]);
  const directory = layers.driver.layerPath(layer.folder);
  await layers.workers.run({ kind: 'condense', directory, diffId: layer.diffId, digest }, { signal });
}
