import type { FilterValues } from '@gantry/client';

/** Reads what `--filter key=value` was given; the flag has checked the form. */
export function parseFilters(texts: readonly string[]): FilterValues {
  const filters = new Map<string, Set<string>>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals < 0) continue;
    const key = text.slice(0, equals).trim().toLowerCase();
    const values = filters.get(key) ?? new Set();
    filters.set(key, values.add(text.slice(equals + 1).trim()));
  }
  return filters;
}
