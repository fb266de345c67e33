/** Promises that have no counterpart in the peer: figures of ours alone. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ours } from '../ours.ts';
import { docker, eachOf, execute, parentOf, pssMb, quantile, removeSleepers, startSleepers } from '../target.ts';

export type OwnRow = {
  readonly id: string;
  readonly title: string;
  readonly unit: 'ms' | 'MB' | '×';
  readonly atMost: number;
  readonly measure: (ours: Ours) => Promise<number>;
};

const gantry = resolve(import.meta.dirname, '../../gantry');

async function median(runs: number, work: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) times.push(await work());
  return quantile(times);
}

/** Asks the daemon for a dump (SIGUSR1) and returns the loop delay since the last one, in milliseconds. */
async function loopDelay(ours: Ours): Promise<{ readonly p99: number } | undefined> {
  const directory = join(ours.root, 'run');
  const dumps = (): string[] => readdirSync(directory).filter(name => name.startsWith('gantry-dump-'));
  const before = new Set(dumps());
  process.kill(ours.daemonPid(), 'SIGUSR1');
  for (let tries = 0; tries < 500; tries++) {
    const name = dumps().find(dump => !before.has(dump));
    if (name) {
      await delay(50);
      return (JSON.parse(readFileSync(join(directory, name), 'utf8')) as { loopDelayMs?: { p99: number } }).loopDelayMs;
    }
    await delay(10);
  }
  throw new Error('the daemon wrote no dump');
}

/** How the daily verbs slow down when 500 containers run. */
async function factorBeside500(ours: Ours): Promise<number> {
  const verbs: (() => Promise<number>)[] = [
    async () => (await docker(ours, ['ps', '-n', '1'])).wallMs,
    async () => (await docker(ours, ['run', '--rm', 'busybox', 'true'])).wallMs,
    async () => (await docker(ours, ['exec', 'beside0', 'true'])).wallMs,
    async () => {
      await docker(ours, ['run', '-d', '--name', 'removed', 'busybox', 'sleep', '1000']);
      return (await docker(ours, ['rm', '-f', 'removed'])).wallMs;
    },
  ];
  const all = async (): Promise<number[]> => {
    const times: number[] = [];
    for (const verb of verbs) times.push(await median(15, verb));
    return times;
  };
  await startSleepers(ours, 'beside', 1);
  const empty = await all();
  await eachOf(499, 4, index => docker(ours, ['run', '-d', '--name', `full${index}`, 'busybox', 'sleep', '100000']));
  const full = await all();
  await removeSleepers(ours, 'full', 499);
  await removeSleepers(ours, 'beside', 1);
  return Math.max(...full.map((time, index) => time / (empty[index] ?? time)));
}

/** Growth of daemon and shim while a client takes nothing of 2 GB. */
async function growthBesideSlowReader(ours: Ours): Promise<number> {
  await docker(ours, ['run', '-d', '--name', 'flood', 'busybox', 'sh', '-c', 'sleep 1; yes | head -c 2000000000']);
  const pid = Number((await docker(ours, ['inspect', '-f', '{{.State.Pid}}', 'flood'])).stdout);
  const engine = [ours.daemonPid(), parentOf(pid) ?? 0];
  const beforeMb = pssMb(engine);
  const client = spawn('docker', ['-H', `unix://${ours.socket}`, 'attach', '--no-stdin', 'flood'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  client.stdout.pause();
  let most = beforeMb;
  for (let second = 0; second < 20; second++) {
    await delay(250);
    most = Math.max(most, pssMb(engine));
  }
  client.kill();
  await docker(ours, ['rm', '-f', 'flood']);
  return most - beforeMb;
}

export const ownRows: readonly OwnRow[] = [
  {
    id: 'loop-delay',
    title: 'event loop delay p99 while 32 clients start and remove containers',
    unit: 'ms',
    atMost: 5,
    measure: async ours => {
      await loopDelay(ours);
      await loopDelay(ours);
      await eachOf(320, 32, () => docker(ours, ['run', '--rm', 'busybox', 'true']));
      return (await loopDelay(ours))?.p99 ?? Number.NaN;
    },
  },
  {
    id: 'beside-500',
    title: 'ps, run, exec, rm beside 500 running containers, slowest factor',
    unit: '×',
    atMost: 1.3,
    measure: factorBeside500,
  },
  {
    id: 'slow-reader',
    title: 'growth of daemon and shim while a client reads nothing of 2 GB',
    unit: 'MB',
    atMost: 4,
    measure: growthBesideSlowReader,
  },
  {
    id: 'version',
    title: 'gantry --version',
    unit: 'ms',
    atMost: 60,
    measure: () => median(15, async () => (await execute(gantry, ['--version'])).wallMs),
  },
  {
    id: 'gantry-run',
    title: "gantry run against the official client's time",
    unit: '×',
    atMost: 2,
    measure: async ours => {
      const theirs = await median(15, async () => (await docker(ours, ['run', '--rm', 'busybox', 'true'])).wallMs);
      const host = ['-H', `unix://${ours.socket}`];
      return (
        (await median(15, async () => (await execute(gantry, [...host, 'run', '--rm', 'busybox', 'true'])).wallMs)) /
        theirs
      );
    },
  },
  {
    id: 'ready',
    title: 'ready after its start with 100 stopped containers known',
    unit: 'ms',
    atMost: 300,
    measure: async ours => {
      await eachOf(100, 4, index => docker(ours, ['run', '--name', `known${index}`, 'busybox', 'true']));
      const again = await ours.restart();
      await removeSleepers(ours, 'known', 100);
      return again;
    },
  },
];
