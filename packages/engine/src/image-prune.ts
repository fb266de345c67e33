import { isGantryError } from '@gantry/errors';
import type { EngineContext } from './context.ts';
import type { ImageDeleteItem } from './documents/index.ts';
import type { Filters } from './engine.ts';
import { booleanFilter, checkFilters, matchesPruneLabels, untilFilter } from './filters.ts';
import { removeImage } from './image-remove.ts';
import { nowNs } from './time.ts';

const KEYS = new Set(['dangling', 'label', 'label!', 'until']);

/** Removes the images that no container uses: those without a name, or all with `dangling=false`. */
export async function pruneImages(
  context: EngineContext,
  filters: Filters,
): Promise<{ ImagesDeleted: ImageDeleteItem[] | null; SpaceReclaimed: number }> {
  checkFilters(filters, KEYS);
  const { images: store } = context.options;
  const danglingOnly = booleanFilter(filters, 'dangling', true);
  const until = untilFilter(filters, nowNs());
  const list = store.list();
  const parents = new Set(list.map(image => image.parentId));
  const sizes = new Map<string, number>();
  const deleted: ImageDeleteItem[] = [];
  for (const image of list) {
    for (const { chainId, sizeBytes } of store.layers(image.id)) sizes.set(chainId, sizeBytes);
    const createdMs = Date.parse(image.config.created ?? '') || 0;
    if (until !== undefined && BigInt(createdMs) * 1_000_000n > until) continue;
    if (!matchesPruneLabels(filters, image.config.config?.Labels ?? null)) continue;
    const named = image.repoTags.length > 0;
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
