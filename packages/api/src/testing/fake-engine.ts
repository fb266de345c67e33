import type { Engine } from '@gantry/engine';
import { notFound } from '@gantry/errors';

type Nouns = {
  readonly [Noun in
    | 'containers'
    | 'execs'
    | 'images'
    | 'manifests'
    | 'networks'
    | 'volumes'
    | 'events'
    | 'system']?: Partial<Engine[Noun]>;
};

/** An engine for tests of routing and forms: it does what `verbs` says, and finds nothing otherwise. */
export function fakeEngine(verbs: Nouns = {}): Engine {
  const given = { ...verbs, system: { version: async () => ({ Version: '1.2.3' }), ...verbs.system } };
  const missing = (noun: string) =>
    new Proxy(given[noun as keyof Nouns] ?? {}, {
      get: (known, verb) =>
        Reflect.get(known, verb) ??
        (async (ref: unknown) => {
          throw notFound(`No such ${noun.replace(/s$/, '')}: ${ref}`);
        }),
    });
  return new Proxy({} as Engine, { get: (_, noun) => missing(String(noun)) });
}
