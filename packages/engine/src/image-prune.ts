import { isGantryError } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import type { EngineContext } from './context.ts';
import type { ImageDeleteItem } from './documents/index.ts';
import type { Filters } from './engine.ts';
import { booleanFilter, checkFilters, durationFilter, matchesPruneLabels, sizeFilter, untilFilter } from './filters.ts';
import { removeImage } from './image-remove.ts';
import { nowNs } from './time.ts';

/** `unused-for` and `keep-storage` are ours. */
const KEYS = new Set(['dangling', 'label', 'label!', 'until', 'unused-for', 'keep-storage']);

/**
 * Removes the images that no container uses: those without a name, or all with `dangling=false`; with `unused-for` only
 * those that were not used for that long, with `keep-storage` the longest unused first, until the layers fit that size.
 * @throws invalidParameter for a filter that is none, or its value
 */
export async function pruneImages(
  context: EngineContext,
  filters: Filters,
): Promise<{ ImagesDeleted: ImageDeleteItem[] | null; SpaceReclaimed: number }> {
  checkFilters(filters, KEYS);
  const { images: store } = context.options;
  const danglingOnly = booleanFilter(filters, 'dangling', true);
  const until = untilFilter(filters, nowNs());
  const unusedFor = durationFilter(filters, 'unused-for');
  const keepBytes = sizeFilter(filters, 'keep-storage');
  const usedAtMs = (image: StoredImage): number => Math.max(image.lastUsedAtMs, image.storedAtMs, image.lastTaggedAtMs);
  const list = [...store.list()].sort((a, b) => usedAtMs(a) - usedAtMs(b));
  const parents = new Set(list.map(image => image.parentId));
  const sizes = new Map<string, number>();
  const deleted: ImageDeleteItem[] = [];
  for (const image of list) {
    for (const { chainId, sizeBytes } of store.layers(image.id)) sizes.set(chainId, sizeBytes);
    const createdMs = Date.parse(image.config.created ?? '') || 0;
    if (until !== undefined && BigInt(createdMs) * 1_000_000n > until) continue;
    if (!matchesPruneLabels(filters, image.config.config?.Labels ?? null)) continue;
    if (unusedFor !== undefined && BigInt(usedAtMs(image)) * 1_000_000n > nowNs() - unusedFor) continue;
    if (keepBytes !== undefined && store.layersSize() <= keepBytes) break;
    const isUsed = context.containers.ofImage(image.id).size > 0;
    if (isUsed && (unusedFor !== undefined || keepBytes !== undefined)) continue;
    const named = image.repoTags.length > 0;
    // One of several platforms goes with the image that has the name.
    if (!named && image.besideNames.length > 0) continue;
    if (parents.has(image.id) && !named) continue;
    if (danglingOnly && named) continue;
    const names = [...image.repoTags, ...image.repoDigests];
    for (const ref of names.length === 0 ? [image.id] : names) {
      try {
        deleted.push(...(await removeImage(context, ref, { force: false, noPrune: false })));
      } catch (error) {
        if (!isGantryError(error, 'conflict') && !isGantryError(error, 'notFound')) {
          context.log(`prune image ${ref}`, error);
        }
      }
    }
  }
  const reclaimed = deleted.reduce((sum, item) => sum + ('Deleted' in item ? (sizes.get(item.Deleted) ?? 0) : 0), 0);
  context.events.publish('image', 'prune', '', { reclaimed: String(reclaimed) });
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}
