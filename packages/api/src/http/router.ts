import type { Handler, Method, Route } from './call.ts';

export type Match = {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
  /** The version that the path begins with, as it is written there. */
  readonly version: string | undefined;
};

type Compiled = { readonly prefix: string; readonly expression: RegExp; readonly handler: Handler };

/** Finds the route of a decoded path; the first of the list that fits wins, as with dockerd's router. */
export type Router = (method: string, path: string) => Match | undefined;

export function createRouter(routes: readonly Route[]): Router {
  const byMethod = new Map<string, Compiled[]>();
  for (const { method, pattern, handler } of routes) {
    const compiled = { prefix: pattern.split('{')[0] ?? '', expression: compile(pattern), handler };
    const list = byMethod.get(method);
    if (list) list.push(compiled);
    else byMethod.set(method satisfies Method, [compiled]);
  }
  return (method, path) => {
    const versioned = /^\/v([0-9.]+)(\/.*)$/s.exec(path);
    const rest = versioned?.[2] ?? path;
    for (const { prefix, expression, handler } of byMethod.get(method) ?? []) {
      if (!rest.startsWith(prefix)) continue;
      const found = expression.exec(rest);
      if (found) return { handler, params: found.groups ?? {}, version: versioned?.[1] };
    }
    return undefined;
  };
}

function compile(pattern: string): RegExp {
  const source = pattern
    .replace(/[.]/g, '\\.')
    .replace(/\{(\w+)(\*?)\}/g, (_, name: string, many: string) => `(?<${name}>${many === '*' ? '.*' : '[^/]+'})`);
  return new RegExp(`^${source}$`, 's');
}

/** A path without empty, `.` and `..` elements; clients with another one are sent here. */
export function cleanPath(path: string): string {
  if (!/\/\/|\/\.\.?(\/|$)/.test(path) && path.startsWith('/')) return path;
  const elements: string[] = [];
  for (const element of path.split('/')) {
    if (element === '..') elements.pop();
    else if (element !== '' && element !== '.') elements.push(element);
  }
  const clean = `/${elements.join('/')}`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}
