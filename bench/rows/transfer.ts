import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ours } from '../ours.ts';
import { PeakMemory } from '../peak-memory.ts';
import { type BenchRegistry, startBenchRegistry } from '../registry.ts';
import type { Row } from '../row.ts';
import { docker, execute, type Target } from '../target.ts';
import { debianArchive, type TestImage, threeLayers, twentyLayers } from '../test-images.ts';
import { machineAlone, sendAlone } from '../transfer-floor.ts';
import type { OwnRow } from './alone.ts';

const SETTLED_MS = 2000;

/** The registry that a row pulls from, with its image in it; kept until the last engine is measured. */
class Source {
  readonly #image: () => Promise<TestImage>;
  #started: Promise<{ registry: BenchRegistry; image: TestImage }> | undefined;
  #users = 0;
  /** What it was last known by, also when its registry is gone. */
  #name: string | undefined;

  constructor(image: () => Promise<TestImage>) {
    this.#image = image;
  }

  get(): Promise<{ registry: BenchRegistry; image: TestImage }> {
    this.#started ??= (async () => {
      const image = await this.#image();
      const registry = await startBenchRegistry();
      await registry.put(image);
      return { registry, image };
    })();
    return this.#started;
  }

  async prepare(): Promise<void> {
    this.#users += 1;
    await this.get();
  }

  async restore(target: Target): Promise<void> {
    if (this.#name !== undefined) await forget(target, this.#name);
    this.#users -= 1;
    if (this.#users === 0) await this.stop();
  }

  async name(): Promise<string> {
    const { registry, image } = await this.get();
    this.#name = `${registry.host}/${image.name}`;
    return this.#name;
  }

  async stop(): Promise<void> {
    const started = await this.#started;
    this.#started = undefined;
    await started?.registry[Symbol.asyncDispose]();
  }
}

/** Removes an image; its files too, and nothing waits to be written when this returns. */
async function forget(target: Target, name: string): Promise<void> {
  await execute('docker', ['-H', `unix://${target.socket}`, 'rmi', '-f', name]);
  if ('root' in target) {
    const trash = join((target as Ours).root, 'data/images/overlay2/trash');
    while (readdirSync(trash).length > 0) await delay(20);
  }
  await execute('sync', []);
}

function pullRow(id: string, title: string, source: Source): Row {
  return {
    id,
    title,
    unit: 'ms',
    runs: 3,
    limit: { ratio: 0.4 },
    prepare: () => source.prepare(),
    restore: target => source.restore(target),
    floor: async () => machineAlone((await source.get()).image),
    async measure(target) {
      const name = await source.name();
      await forget(target, name);
      return (await docker(target, ['pull', '-q', name])).wallMs;
    },
  };
}

const three = new Source(threeLayers);
const twenty = new Source(twentyLayers);
const pushed = new Source(threeLayers);
const gone = new Source(threeLayers);
const condensed = new Source(threeLayers);

/** Pushes what `prepare` has named `bench-push` to a registry of its own each time: nothing is there, or can be mounted. */
async function pushAnew(target: Target, onStarted: () => Promise<void> = async () => {}): Promise<number> {
  await using registry = await startBenchRegistry();
  await onStarted();
  const name = `${registry.host}/pushed`;
  await docker(target, ['tag', 'bench-push', name]);
  try {
    return (await docker(target, ['push', '-q', name])).wallMs;
  } finally {
    await docker(target, ['rmi', name]);
    await execute('sync', []);
  }
}

/** Pushes what was pulled from `source`. */
function pushRow(
  id: string,
  title: string,
  source: Source,
  { isGone = false, isCondensed = false, atMost = 0.4 },
): Row {
  let name = '';
  return {
    id,
    title,
    unit: 'ms',
    runs: 3,
    limit: { ratio: atMost },
    async prepare(target) {
      await source.prepare();
      name = await source.name();
      await docker(target, ['pull', '-q', name]);
      await docker(target, ['tag', name, 'bench-push']);
      if (isCondensed && 'condense' in target) await (target as Ours).condense();
      await execute('sync', []);
    },
    async restore(target) {
      await docker(target, ['rmi', '-f', 'bench-push']);
      await source.restore(target);
    },
    floor: async () => sendAlone((await source.get()).image),
    measure: target => pushAnew(target, async () => (isGone ? await source.stop() : undefined)),
  };
}

/** A layer that no registry has seen: it is compressed on its way. */
const pushImported: Row = {
  id: 'push-imported',
  title: 'push an imported image of 172 MB, which no registry has seen',
  unit: 'ms',
  runs: 3,
  limit: { ratio: 0.4 },
  async prepare(target) {
    if (!existsSync(debianArchive)) throw new Error(`${debianArchive} is made by ../shared/peers/images`);
    await docker(target, ['import', debianArchive, 'bench-push']);
    await execute('sync', []);
  },
  restore: target => docker(target, ['rmi', '-f', 'bench-push']).then(() => {}),
  measure: target => pushAnew(target),
};

export const transferRows: readonly Row[] = [
  pullRow('pull-three', 'pull a 354 MB image (143 MB in 3 gzip layers) from a registry on loopback', three),
  pullRow('pull-twenty', 'pull an image of 20 layers with 100 000 small files', twenty),
  pushRow('push-three', 'push the 354 MB image to an empty registry', pushed, {}),
  pushRow('push-rebuilt', 'the same, when the registry that it came from is gone', gone, { isGone: true }),
  pushRow('push-condensed', 'the same ten minutes later, when its blobs are condensed', condensed, {
    isGone: true,
    isCondensed: true,
    atMost: 1,
  }),
  pushImported,
];

export const transferOwnRows: readonly OwnRow[] = [
  {
    id: 'pull-memory',
    title: 'peak memory of that pull above idle',
    unit: 'MB',
    atMost: 150,
    async measure(ours) {
      const source = new Source(threeLayers);
      await source.prepare();
      const name = await source.name();
      try {
        await forget(ours, name);
        // Idle is an engine that has done nothing yet: what earlier rows left in its heap would hide what this one takes.
        await ours.restart();
        await delay(SETTLED_MS);
        const peak = new PeakMemory(await ours.enginePids());
        await docker(ours, ['pull', '-q', name]);
        return peak.grownMb(await ours.enginePids());
      } finally {
        await source.restore(ours);
      }
    },
  },
];
