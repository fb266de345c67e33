import type { DeviceRule } from './resources.ts';

/** A device, or all with a major number, or all of a type (-1), and what may be done with it: some of `rwm`. */
export type DeviceException = { type: 'b' | 'c'; major: number; minor: number; access: string };

const ORDER = 'rwm';

/**
 * Plays device rules through as version 1's control files would: an `a` rule sets the default and forgets the rest,
 * others are exceptions from it. Without an `a` rule nothing is allowed.
 */
export function reduceRules(rules: readonly DeviceRule[]): { allowAll: boolean; exceptions: DeviceException[] } {
  let allowAll = false;
  let exceptions = new Map<string, DeviceException>();
  for (const { allow, type = 'a', major = -1, minor = -1, access = ORDER } of rules) {
    if (type === 'a') {
      allowAll = allow;
      exceptions = new Map();
      continue;
    }
    const key = `${type} ${major}:${minor}`;
    const before = exceptions.get(key)?.access ?? '';
    const after = [...ORDER].filter(letter => (access.includes(letter) ? allow !== allowAll : before.includes(letter)));
    if (after.length === 0) exceptions.delete(key);
    else exceptions.set(key, { type, major, minor, access: after.join('') });
  }
  return { allowAll, exceptions: [...exceptions.values()] };
}
