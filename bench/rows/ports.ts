/** What a published port costs: its start, its memory, and the way of the packets through it. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ours } from '../ours.ts';
import type { Row } from '../row.ts';
import { docker, eachOf, execute, pssMb, quantile, removeSleepers, type Target } from '../target.ts';
import type { OwnRow } from './alone.ts';

const STREAM_MB = 1000;
/** Each engine has its own ports, since both have their containers at the same time. */
const first = (target: Target): number => (target.name === 'gantry' ? 21_000 : 31_000);

/** A server that sends zeros, with no process between it and its socket. */
const serveZeros = ['nc', '-ll', '-p', '5001', '-e', 'dd', 'if=/dev/zero', 'bs=1M', `count=${STREAM_MB}`];

/** Reads until the end; by bash, which opens the socket, and dd, which reads a megabyte a call. */
function readAll(
  address: string,
  port: number,
  inNamespaceOf?: string,
): Promise<{ code: number; stderr: string; wallMs: number }> {
  const command = ['bash', '-c', `exec 3<>/dev/tcp/${address}/${port}; exec dd of=/dev/null bs=1M <&3`];
  const [file = '', ...args] = inNamespaceOf ? ['nsenter', '-t', inNamespaceOf, '-n', ...command] : command;
  return execute(file, args);
}

async function timed(address: string, port: number, inNamespaceOf?: string): Promise<number> {
  const { code, stderr, wallMs } = await readAll(address, port, inNamespaceOf);
  const bytes = Number(/^(\d+) bytes/m.exec(stderr)?.[1] ?? 0);
  if (code !== 0 || bytes !== STREAM_MB * 1024 * 1024) throw new Error(`${bytes} bytes came: ${stderr}`);
  return wallMs;
}

function hostAddress(): string {
  const all = Object.entries(networkInterfaces()).filter(([name]) => !/^(lo|docker|br-|gantry|gntry|veth)/.test(name));
  const address = all.flatMap(([, list]) => list ?? []).find(({ family }) => family === 'IPv4')?.address;
  if (!address) throw new Error('this machine has no address but that of its loopback');
  return address;
}

async function inspect(target: Target, name: string, what: string): Promise<string> {
  return (await docker(target, ['inspect', '-f', what, name])).stdout.trim();
}

/** The same bytes between the same two programs over the host's own loopback: no engine can be faster. */
async function alone(): Promise<number> {
  const port = 20_999;
  const server = `busybox ${['nc', '-l', ...serveZeros.slice(2)].join(' ').replace('5001', String(port))}`;
  const script = `${server} & sleep 0.3; exec 3<>/dev/tcp/127.0.0.1/${port}; exec dd of=/dev/null bs=1M <&3`;
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    const { stderr } = await execute('bash', ['-c', script]);
    const seconds = / copied, ([\d.]+) s/.exec(stderr)?.[1];
    if (seconds === undefined) throw new Error(`the loopback alone: ${stderr}`);
    times.push(Number(seconds) * 1000);
  }
  return quantile(times);
}

const throughput = (id: string, title: string, ratio: number, measure: (target: Target) => Promise<number>): Row => ({
  id,
  title: `${STREAM_MB} MB ${title}`,
  unit: 'ms',
  runs: 5,
  limit: { ratio },
  prepare: async target => {
    await docker(target, ['network', 'create', id]);
    const run = ['run', '-d', '--network', id, '--name'];
    await docker(target, [...run, `${id}0`, '-p', `${first(target)}:5001`, 'busybox', ...serveZeros]);
    await docker(target, [...run, `${id}1`, 'busybox', 'sleep', '100000']);
    await delay(500);
  },
  restore: async target => {
    await removeSleepers(target, id, 2);
    await docker(target, ['network', 'rm', id]);
  },
  floor: alone,
  measure,
});

/** Ten ports for each of a hundred containers. */
const crowd = {
  heavy: true as const,
  prepare: (target: Target) =>
    eachOf(100, 4, index => {
      const ports = Array.from({ length: 10 }, (_, at) => first(target) + 10 * index + at);
      const publish = ports.flatMap(port => ['-p', `${port}:${port - first(target) + 1}`]);
      return docker(target, ['run', '-d', '--name', `ports${index}`, ...publish, 'busybox', 'sleep', '100000']);
    }),
  restore: (target: Target) => removeSleepers(target, 'ports', 100),
};

/** Kernel memory for its objects, sockets among them, in MB. */
function slabMb(): number {
  return Number(/^Slab:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? Number.NaN) / 1024;
}

/** Growth by 500 UDP ports, less that by a container without any. */
async function udpMb(target: Target): Promise<number> {
  const weigh = async (): Promise<number> => pssMb(await target.enginePids()) + slabMb();
  const names = ['ports-udp0', 'ports-udp1', 'ports-udp2'] as const;
  const run = (name: string, ...options: string[]) =>
    docker(target, ['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '100000']);
  try {
    await run(names[0]);
    const before = await weigh();
    await run(names[1], '-p', `${first(target)}-${first(target) + 499}:20000-20499/udp`);
    const withPorts = await weigh();
    await run(names[2]);
    return withPorts - before - ((await weigh()) - withPorts);
  } finally {
    await execute('docker', ['-H', `unix://${target.socket}`, 'rm', '-f', ...names]);
  }
}

export const portRows: readonly Row[] = [
  throughput('ports-host', 'to the host through a published port', 1 / 0.95, target =>
    timed(hostAddress(), first(target)),
  ),
  throughput('ports-loopback', 'to 127.0.0.1 through a published port', 1 / 3, target =>
    timed('127.0.0.1', first(target)),
  ),
  throughput('ports-containers', 'from container to container', 1 / 0.95, async target =>
    timed(
      await inspect(target, 'ports-containers0', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'),
      5001,
      await inspect(target, 'ports-containers1', '{{.State.Pid}}'),
    ),
  ),
  {
    id: 'ports-udp-memory',
    title: '500 published UDP ports, engine and kernel objects',
    unit: 'MB',
    runs: 1,
    limit: { absolute: 2 },
    // The other engine needs a minute for its thousand proxies: once will do.
    measure: async target => {
      const rounds: number[] = [];
      for (let round = 0; round < (target.name === 'gantry' ? 5 : 1); round++) rounds.push(await udpMb(target));
      return quantile(rounds);
    },
  },
  {
    id: 'ports-1000',
    title: 'docker run --rm -p beside 1000 published ports on 100 containers',
    unit: 'ms',
    runs: 9,
    limit: { ratio: 0.15 },
    ...crowd,
    measure: async target =>
      (await docker(target, ['run', '--rm', '-p', `${first(target) + 2000}:80`, 'busybox', 'true'])).wallMs,
  },
];

/** The same start with a published port, alone and as the last of a thousand. */
async function factorBeside1000(ours: Ours): Promise<number> {
  const start = async (): Promise<number> => {
    const times: number[] = [];
    for (let run = 0; run < 11; run++) {
      const { wallMs } = await docker(ours, ['run', '--rm', '-p', `${first(ours) + 2000}:80`, 'busybox', 'true']);
      times.push(wallMs);
    }
    return quantile(times);
  };
  await start();
  const alone = await start();
  await crowd.prepare(ours);
  try {
    return (await start()) / alone;
  } finally {
    await crowd.restore(ours);
  }
}

export const ownPortRows: readonly OwnRow[] = [
  {
    id: 'ports-1000-factor',
    title: 'a start with a published port: the 1000th against the first',
    unit: '×',
    atMost: 1.3,
    measure: factorBeside1000,
  },
];
