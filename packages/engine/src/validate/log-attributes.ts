import { type GantryError, messageOf } from '@gantry/errors';
import { goRegexp } from './go-regexp.ts';
import { type LogSubject, logTag } from './log-tag.ts';

/** Longer ones would make every line as long. */
const MAX_BYTES = 8000;

/**
 * The JSON object of the options `labels`, `labels-regex`, `env`, `env-regex` and `tag`; undefined when there is nothing in it.
 * @throws what `failed` makes of a reason
 */
export function logAttributes(
  options: Readonly<Record<string, string>>,
  subject: LogSubject,
  logPath: string,
  failed: (reason: string) => GantryError,
): string | undefined {
  const attributes = new Map<string, string>();
  const env = subject.env.map(assignment => {
    const equals = assignment.indexOf('=');
    return equals < 0 ? [assignment, ''] : [assignment.slice(0, equals), assignment.slice(equals + 1)];
  });
  for (const [kind, pairs] of [
    ['labels', Object.entries(subject.labels)],
    ['env', env],
  ] as const) {
    const names = new Set((options[kind] ?? '').split(',').filter(name => name !== ''));
    // Of a container without any variable dockerd does not look at what is asked of them.
    const pattern = kind === 'env' && env.length === 0 ? undefined : expression(options[`${kind}-regex`], failed);
    for (const [name = '', value = ''] of pairs) {
      if (names.has(name) || pattern?.test(name)) attributes.set(name, value);
    }
  }
  const tag = options.tag ? logTag(options, subject, logPath, failed) : '';
  if (tag !== '') attributes.set('tag', tag);
  if (attributes.size === 0) return undefined;
  const sorted = Object.fromEntries([...attributes].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  // As Go writes JSON.
  const text = JSON.stringify(sorted).replace(/[<>&]/g, one => `\\u00${one.charCodeAt(0).toString(16)}`);
  if (Buffer.byteLength(text) > MAX_BYTES) throw failed(`the attributes of a line have more than ${MAX_BYTES} bytes`);
  return text;
}

function expression(text: string | undefined, failed: (reason: string) => GantryError): RegExp | undefined {
  if (!text) return undefined;
  try {
    return goRegexp(text);
  } catch (error) {
    throw failed(messageOf(error));
  }
}
