import type { Row } from '../row.ts';
import { docker, eachOf, removeSleepers, startSleepers, type Target } from '../target.ts';

const runRow = (id: string, title: string, ratio: number, options: readonly string[], runs = 15): Row => ({
  id,
  title,
  unit: 'ms',
  runs,
  limit: { ratio },
  measure: async target => (await docker(target, ['run', '--rm', ...options, 'busybox', 'true'])).wallMs,
});

const beside100 = {
  heavy: true as const,
  prepare: (target: Target) => startSleepers(target, 'beside', 100),
  restore: (target: Target) => removeSleepers(target, 'beside', 100),
};

export const runRows: readonly Row[] = [
  runRow('run', 'docker run --rm busybox true', 0.2, []),
  runRow('run-none', 'the same with --network none', 0.25, ['--network', 'none']),
  { ...runRow('run-beside', 'the same beside 100 running containers', 0.15, []), ...beside100 },
  runRow('run-publish', 'the same with -p 18099:80', 0.2, ['-p', '18099:80']),
  {
    id: 'run-32',
    title: '32 of them at once',
    unit: 'ms',
    runs: 3,
    limit: { ratio: 0.25 },
    measure: async target => {
      const startMs = performance.now();
      await eachOf(32, 32, () => docker(target, ['run', '--rm', 'busybox', 'true']));
      return performance.now() - startMs;
    },
  },
  {
    id: 'exec',
    title: 'docker exec C true',
    unit: 'ms',
    runs: 15,
    limit: { ratio: 0.4 },
    prepare: target => startSleepers(target, 'exec', 1),
    restore: target => removeSleepers(target, 'exec', 1),
    measure: async target => (await docker(target, ['exec', 'exec0', 'true'])).wallMs,
  },
  {
    id: 'run-d-100',
    title: '100 × docker run -d busybox sleep',
    unit: 'ms',
    runs: 1,
    limit: { ratio: 0.2 },
    heavy: true,
    restore: target => removeSleepers(target, 'many', 100),
    measure: async target => {
      const startMs = performance.now();
      await eachOf(100, 1, index =>
        docker(target, ['run', '-d', '--name', `many${index}`, 'busybox', 'sleep', '100000']),
      );
      return performance.now() - startMs;
    },
  },
  {
    id: 'rm-100',
    title: 'docker rm -f of those 100',
    unit: 'ms',
    runs: 1,
    limit: { ratio: 0.2 },
    heavy: true,
    prepare: target => startSleepers(target, 'gone', 100),
    measure: async target => {
      const names = Array.from({ length: 100 }, (_, index) => `gone${index}`);
      return (await docker(target, ['rm', '-f', ...names])).wallMs;
    },
  },
];
