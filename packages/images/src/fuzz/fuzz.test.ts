/** A short, always equal run of the fuzz targets; `./gantry --script scripts/fuzz.ts SECONDS` goes on with other seeds. */
import { test } from 'node:test';
import { randomOf } from './random.ts';
import { targets } from './targets.ts';

const RUNS = 120;

for (const target of targets) {
  test(`${target.name} that is damaged is refused, and nothing else happens`, {
    skip: process.getuid?.() !== 0 && 'needs root',
  }, () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        target.run(randomOf(seed));
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}
