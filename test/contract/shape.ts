/** An answer, to be compared by its shape. */
export type Shaped = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};

/** Headers that say something about the transfer or the server only. */
const ownHeaders = new Set([
  'date',
  'content-length',
  'transfer-encoding',
  'server',
  'connection',
  'gantry-hint',
  'gantry-version',
]);

/**
 * What differs between two answers: status, headers, messages of errors, and the keys and types of documents.
 * @param ignore paths into the document (`.HostConfig.Foo`) that may differ
 */
export function differences(theirs: Shaped, ours: Shaped, ignore: readonly string[] = []): string[] {
  const found: string[] = [];
  if (theirs.status !== ours.status)
    found.push(`status: ${theirs.status} ${brief(theirs)}, ours ${ours.status} ${brief(ours)}`);
  for (const key of new Set([...Object.keys(theirs.headers), ...Object.keys(ours.headers)])) {
    if (ownHeaders.has(key) || theirs.headers[key] === ours.headers[key]) continue;
    found.push(`header ${key}: ${theirs.headers[key]}, ours ${ours.headers[key]}`);
  }
  const [left, right] = [parse(anonymous(theirs.body)), parse(anonymous(ours.body))];
  if (found.length === 0) compare(left, right, '', theirs.status >= 400, ignore, found);
  return found;
}

function compare(
  theirs: unknown,
  ours: unknown,
  path: string,
  values: boolean,
  ignore: readonly string[],
  found: string[],
): void {
  if (ignore.includes(path)) return;
  if (kind(theirs) !== kind(ours)) {
    found.push(`${path || 'body'}: ${kind(theirs)} (${show(theirs)}), ours ${kind(ours)} (${show(ours)})`);
  } else if (Array.isArray(theirs) && Array.isArray(ours)) {
    if (theirs.length > 0 && ours.length > 0) compare(theirs[0], ours[0], `${path}[]`, values, ignore, found);
  } else if (isObject(theirs) && isObject(ours)) {
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
      const at = `${path}.${key}`;
      if (ignore.includes(at)) continue;
      if (!(key in ours)) found.push(`${at} is missing (theirs ${show(theirs[key])})`);
      else if (!(key in theirs)) found.push(`${at} is not theirs (ours ${show(ours[key])})`);
      else compare(theirs[key], ours[key], at, values, ignore, found);
    }
  } else if (values && theirs !== ours) {
    found.push(`${path}: ${show(theirs)}, ours ${show(ours)}`);
  }
}

/** Ids are different by nature. */
function anonymous(text: string): string {
  return text.replace(/[0-9a-f]{64}/g, 'ID');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}

function brief({ body }: Shaped): string {
  return body.slice(0, 160).trimEnd();
}
