/** Runs the fuzz targets for argv[2] seconds (60), from seed argv[3] on; a finding ends it with its seed. */
import { randomOf } from '../packages/images/src/fuzz/random.ts';
import { targets } from '../packages/images/src/fuzz/targets.ts';

const seconds = Number(process.argv[2] ?? 60);
let seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const end = Date.now() + seconds * 1000;
let runs = 0;
for (; Date.now() < end; seed++) {
  for (const target of targets) {
    try {
      target.run(randomOf(seed));
    } catch (error) {
      console.error(`${target.name}: seed ${seed}`, error);
      process.exit(1);
    }
    runs += 1;
  }
}
console.log(`${runs} runs, up to seed ${seed - 1}: nothing found`);
