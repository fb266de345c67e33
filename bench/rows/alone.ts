/** Promises that have no counterpart in the peer: figures of ours alone. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ours } from '../ours.ts';
import { docker, eachOf, execute, parentOf, pssMb, quantile, removeSleepers, startSleepers } from '../target.ts';
import { cycle, keptConnection } from './api.ts';

export type OwnRow = {
  readonly id: string;
  readonly title: string;
  readonly unit: 'ms' | 'MB' | '×';
  readonly atMost: number;
  readonly measure: (ours: Ours) => Promise<number>;
};

/** Time that the daemon's main thread has spent on a core. @see proc_pid_schedstat in sched-stats.rst */
function mainThreadMs(ours: Ours): number {
  const pid = ours.daemonPid();
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

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
  for (let sample = 0; sample < 20; sample++) {
    await delay(250);
    most = Math.max(most, pssMb(engine));
  }
  client.kill();
  await docker(ours, ['rm', '-f', 'flood']);
  return most - beforeMb;
}

export const ownRows: readonly OwnRow[] = [
  {
    // What is not the engine's doing: on a shared machine the row below cannot be better than this one.
    id: 'loop-delay-idle',
    title: 'event loop delay p99 while nobody asks for anything',
    unit: 'ms',
    atMost: 5,
    measure: async ours => {
      await loopDelay(ours);
      await loopDelay(ours);
      await delay(3000);
      return (await loopDelay(ours))?.p99 ?? Number.NaN;
    },
  },
  {
    id: 'cycle-cpu',
    title: "processor time of the daemon's main thread for create + start + wait + remove",
    unit: 'ms',
    atMost: 10,
    measure: async ours => {
      using agent = keptConnection();
      for (let warm = 0; warm < 10; warm++) await cycle(ours, agent);
      const beforeMs = mainThreadMs(ours);
      for (let round = 0; round < 100; round++) await cycle(ours, agent);
      return (mainThreadMs(ours) - beforeMs) / 100;
    },
  },
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
      const host = ['-H', `unix://${ours.socket}`];
      const [official, own]: [number[], number[]] = [[], []];
      for (let run = -1; run < 15; run++) {
        const official1 = (await docker(ours, ['run', '--rm', 'busybox', 'true'])).wallMs;
        const own1 = (await execute(gantry, [...host, 'run', '--rm', 'busybox', 'true'])).wallMs;
        if (run < 0) continue;
        official.push(official1);
        own.push(own1);
      }
      return quantile(own) / quantile(official);
    },
  },
  {
    id: 'ready',
    title: 'ready after its start with 100 stopped containers known',
    unit: 'ms',
    atMost: 300,
    measure: async ours => {
      await eachOf(100, 4, index => docker(ours, ['run', '--name', `known${index}`, 'busybox', 'true']));
      const again = await median(5, ours.restart);
      await removeSleepers(ours, 'known', 100);
      return again;
    },
  },
];
