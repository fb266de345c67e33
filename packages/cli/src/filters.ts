import type { FilterValues } from '@gantry/client';
import { ExitError } from './errors.ts';

/** Reads `--filter key=value`. @throws ExitError with Docker's words */
export function parseFilters(texts: readonly string[]): FilterValues {
  const filters = new Map<string, Set<string>>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (text === '') continue;
    if (equals < 0)
      throw new ExitError(
        125,
        `invalid argument ${JSON.stringify(text)} for "-f, --filter" flag: invalid filter '${text}'`,
      );
    const key = text.slice(0, equals).trim().toLowerCase();
    const values = filters.get(key) ?? new Set();
    filters.set(key, values.add(text.slice(equals + 1).trim()));
  }
  return filters;
}
