import type { Row } from '../row.ts';
import { docker, type Target } from '../target.ts';

const text = 'yes "a line of seventy characters, as a chatty service writes them, 1234"';
const gigabyte = `${text} | head -c 1073741824`;
const lines = `${text} | head -n 5000000`;
/** dockerd keeps all of it by default; so must we for this row. */
const keepAll = ['--log-opt', 'max-size=2g', '--log-opt', 'max-file=1'];

async function writeLines(target: Target, name: string): Promise<number> {
  const startMs = performance.now();
  await docker(target, ['run', '-d', '--name', name, ...keepAll, 'busybox', 'sh', '-c', lines]);
  await docker(target, ['wait', name]);
  return performance.now() - startMs;
}

export const streamRows: readonly Row[] = [
  {
    id: 'attach-1gb',
    title: '1 GB from a container through an attached client',
    unit: 'ms',
    runs: 1,
    limit: { ratio: 0.2 },
    measure: async target => (await docker(target, ['run', '--rm', 'busybox', 'sh', '-c', gigabyte], 'drop')).wallMs,
  },
  {
    id: 'log-5m',
    title: '5 million lines (355 MB) written by a detached container',
    unit: 'ms',
    runs: 1,
    limit: { ratio: 0.4 },
    restore: target => docker(target, ['rm', '-f', 'chatty']).then(() => {}),
    measure: target => writeLines(target, 'chatty'),
  },
  {
    id: 'logs-5m',
    title: 'docker logs of those',
    unit: 'ms',
    runs: 1,
    limit: { ratio: 0.2 },
    prepare: target => writeLines(target, 'told').then(() => {}),
    restore: target => docker(target, ['rm', '-f', 'told']).then(() => {}),
    measure: async target => (await docker(target, ['logs', 'told'], 'drop')).wallMs,
  },
];
