import { setTimeout as delay } from 'node:timers/promises';
import type { Row } from '../row.ts';
import type { Target } from '../target.ts';
import { docker, pssMb, removeSleepers } from '../target.ts';

export const memoryRows: readonly Row[] = [
  {
    id: 'pss-idle',
    title: 'idle engine, PSS of all its processes',
    unit: 'MB',
    runs: 1,
    limit: { absolute: 90 },
    // Idle is an engine that nobody has asked for a while.
    prepare: () => delay(5000),
    measure: async target => pssMb(await target.enginePids()),
  },
  {
    id: 'pss-container',
    title: "PSS of the engine's own processes for each running container",
    unit: 'MB',
    runs: 1,
    limit: { absolute: 0.3 },
    heavy: true,
    restore: target => removeSleepers(target, 'weigh', 100),
    measure: async target => {
      // The first containers fill pools and caches that later ones share; the growth from 20 to 100 is the price of one.
      await startSleepersFrom(target, 0, 20);
      const beforeMb = pssMb(await target.enginePids());
      await startSleepersFrom(target, 20, 100);
      return (pssMb(await target.enginePids()) - beforeMb) / 80;
    },
  },
];

async function startSleepersFrom(target: Target, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) {
    await docker(target, ['run', '-d', '--name', `weigh${index}`, 'busybox', 'sleep', '100000']);
  }
}
