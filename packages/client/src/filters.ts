/** Docker's filters: key to values. */
export type FilterValues = ReadonlyMap<string, ReadonlySet<string>>;

/** Filters as the query parameter has them, `{"label":{"a=b":true}}`; undefined when there are none. */
export function filtersQuery(filters: FilterValues | undefined): string | undefined {
  if (!filters || filters.size === 0) return undefined;
  const entries = [...filters].map(([key, values]) => [
    key,
    Object.fromEntries([...values].map(value => [value, true])),
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}
