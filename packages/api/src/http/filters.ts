import type { Filters } from '@gantry/engine';
import { invalidParameter } from '@gantry/errors';

/**
 * Reads the `filters` of a query, in the current form ({"name":{"a":true}}) or the older one ({"name":["a"]}).
 * @throws invalidParameter `invalid filter`
 */
export function parseFilters(text: string): Filters {
  const filters = new Map<string, Set<string>>();
  if (text === '') return filters;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw invalidParameter('invalid filter');
  }
  if (document === null) return filters;
  if (typeof document !== 'object' || Array.isArray(document)) throw invalidParameter('invalid filter');
  const entries = Object.entries(document);
  const lists = entries.some(([, values]) => Array.isArray(values));
  for (const [key, values] of entries) {
    filters.set(key, new Set(lists ? listValues(values) : mapValues(values)));
  }
  return filters;
}

/** The same filters with one value more. */
export function withFilter(filters: Filters, key: string, value: string): Filters {
  return new Map([...filters, [key, new Set([...(filters.get(key) ?? []), value])]]);
}

function listValues(values: unknown): string[] {
  if (values === null) return [];
  if (!Array.isArray(values) || !values.every(value => typeof value === 'string')) {
    throw invalidParameter('invalid filter');
  }
  return values;
}

function mapValues(values: unknown): string[] {
  if (values === null) return [];
  if (typeof values !== 'object' || !Object.values(values).every(value => typeof value === 'boolean')) {
    throw invalidParameter('invalid filter');
  }
  return Object.keys(values);
}
