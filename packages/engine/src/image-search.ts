import { invalidParameter } from '@gantry/errors';
import type { SearchResult } from '@gantry/images';
import type { EngineContext } from './context.ts';
import type { Filters } from './engine.ts';
import { booleanFilter, checkFilters } from './filters.ts';

const KEYS = new Set(['is-automated', 'is-official', 'stars']);
const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;

/** Asks an index for images by words. @throws invalidParameter `limit N is outside the range of [1, 100]` */
export async function searchImages(
  context: EngineContext,
  term: string,
  options: { readonly limit: number; readonly filters: Filters; readonly authorization: unknown },
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const { filters, authorization } = options;
  checkFilters(filters, KEYS);
  // No image has been automated for years, and none is shown as it.
  const automated = booleanFilter(filters, 'is-automated', false);
  const official = filters.has('is-official') ? booleanFilter(filters, 'is-official', false) : undefined;
  const stars = [...(filters.get('stars') ?? [])].map(text => {
    if (!/^[+-]?\d+$/.test(text))
      throw invalidParameter(
        `invalid filter 'stars=${text}': strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
      );
    return Number(text);
  });
  const limit = options.limit === 0 ? DEFAULT_LIMIT : options.limit;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw invalidParameter(`limit ${limit} is outside the range of [1, ${MAX_LIMIT}]`);
  }
  if (automated) return [];
  const found = await context.options.images.registries.search(term, limit, authorization, signal);
  const least = Math.max(0, ...stars);
  return found
    .filter(result => (official === undefined || result.is_official === official) && result.star_count >= least)
    .map(result => ({ ...result, is_automated: false }));
}
