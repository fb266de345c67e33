import { invalidParameter } from '@gantry/errors';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Puts `overrides` over `base`, both lists of `NAME=value`: a name that `base` has is replaced where it stands, a new
 * one is added at the end, and one without `=` is removed.
 */
export function overrideEnvironment(base: readonly string[], overrides: readonly string[]): string[] {
  const result: (string | undefined)[] = [...base];
  const index = new Map(base.map((assignment, at) => [assignment.slice(0, assignment.indexOf('=')), at]));
  for (const assignment of overrides) {
    const equals = assignment.indexOf('=');
    const at = index.get(equals < 0 ? assignment : assignment.slice(0, equals));
    if (equals < 0) {
      if (at !== undefined) result[at] = undefined;
    } else if (at === undefined) result.push(assignment);
    else result[at] = assignment;
  }
  return result.filter(assignment => assignment !== undefined && assignment !== '') as string[];
}

/** The variables that a container's processes begin with: PATH, HOSTNAME, with a terminal TERM, those of links, then its own. */
export function containerEnvironment(
  config: { readonly hostname: string; readonly env: readonly string[] | null },
  tty: boolean,
  linked: readonly string[] = [],
): string[] {
  const base = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${config.hostname}`, ...(tty ? ['TERM=xterm'] : []), ...linked];
  return overrideEnvironment(base, config.env ?? []);
}

/**
 * What execve gets: of equal names the last one counts, and HOME comes from the passwd file when it is missing or empty.
 * @throws invalidParameter for a variable with a NUL byte
 */
export function finishEnvironment(env: readonly string[], home: string): string[] {
  const last = new Map(env.map((assignment, at) => [assignment.slice(0, assignment.indexOf('=')), at]));
  const result: string[] = [];
  let hasHome = false;
  for (const [at, assignment] of env.entries()) {
    const name = assignment.slice(0, assignment.indexOf('='));
    if (last.get(name) !== at) continue;
    if (assignment.includes('\0')) {
      throw invalidParameter(`invalid environment variable ${JSON.stringify(name)}: contains nul byte (\\x00)`);
    }
    if (name === 'HOME') {
      if (assignment === 'HOME=') continue;
      hasHome = true;
    }
    result.push(assignment);
  }
  return hasHome ? result : [...result, `HOME=${home}`];
}
