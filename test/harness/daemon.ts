import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addressPools } from './address-pool.ts';
import { type Ended, execute } from './execute.ts';
import { busyboxArchive } from './image.ts';
import { slowness } from './slowness.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;

export type DaemonOptions = {
  /** More flags for `gantry daemon`. */
  readonly flags?: readonly string[];
  /** Images to import; default busybox. */
  readonly images?: readonly 'busybox'[];
  /** Where the daemon keeps its data, when not in its own temporary folder; it must exist, and is left there. */
  readonly dataRoot?: string;
  /** The same for what dies with the machine. */
  readonly execRoot?: string;
};

/** A real daemon with its own roots, bridge and socket, driven by the official client. */
export type TestDaemon = AsyncDisposable & {
  readonly root: string;
  readonly dataRoot: string;
  readonly socket: string;
  readonly bridge: string;
  /** Pid of the daemon that runs now. */
  readonly pid: () => number;
  /** The official client. */
  readonly docker: (...args: string[]) => Promise<Ended>;
  /** The same with standard input. */
  readonly dockerWithInput: (input: string | Buffer, ...args: string[]) => Promise<Ended>;
  /** The official client in a terminal; what it shows is `stdout`, with its carriage returns. */
  readonly inTerminal: (...args: string[]) => Promise<Ended>;
  /** Our own command line. */
  readonly gantry: (...args: string[]) => Promise<Ended>;
  /** One raw request. */
  readonly api: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<{ status: number; body: string }>;
  /** Ends the daemon by a signal and waits for its end. Containers go on. */
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
  /** Starts it again on the same roots. */
  readonly start: () => Promise<void>;
  readonly log: () => string;
};

/** Starts a daemon and waits until it answers. Its disposal removes every container, ends it, and checks that nothing is left. */
export async function startDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  const bridge = `gantry${randomBytes(3).toString('hex')}`;
  const socket = join(root, 'gantry.sock');
  const dataRoot = options.dataRoot ?? join(root, 'data');
  const host = `unix://${socket}`;
  const pools = await addressPools();
  const env = { ...process.env, DOCKER_HOST: host, GANTRY_HOST: host };
  let daemon: { readonly pid: number; readonly ended: Promise<void> } | undefined;

  const log = (): string => readFileSync(join(root, 'daemon.log'), 'utf8');

  async function start(): Promise<void> {
    const output = openSync(join(root, 'daemon.log'), 'a');
    const child = spawn(
      gantry,
      [
        ...['daemon', '--host', host, '--data-root', dataRoot, '--exec-root', options.execRoot ?? join(root, 'run')],
        ...['--pidfile', join(root, 'pid'), '--bridge', bridge, ...pools, ...(options.flags ?? [])],
      ],
      { stdio: ['ignore', output, output], detached: true },
    );
    closeSync(output);
    if (child.pid === undefined) throw new Error('the daemon could not be started');
    const ended = new Promise<void>(done => child.once('exit', () => done()));
    daemon = { pid: child.pid, ended };
    const deadline = performance.now() + 30_000 * slowness;
    while (!(await answers(socket))) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`the daemon did not come up:\n${log()}`);
      await delay(20);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (!daemon) return;
    const { pid, ended } = daemon;
    daemon = undefined;
    if (existsSync(`/proc/${pid}`)) process.kill(pid, signal);
    await ended;
  }

  const docker = (...args: string[]): Promise<Ended> => execute('docker', args, { env });

  const test: TestDaemon = {
    root,
    dataRoot,
    socket,
    bridge,
    pid: () => {
      if (!daemon) throw new Error('no daemon runs');
      return daemon.pid;
    },
    docker,
    dockerWithInput: (input, ...args) => execute('docker', args, { env, input }),
    inTerminal: (...args) =>
      execute('script', ['-qefc', ['docker', ...args].map(quote).join(' '), '/dev/null'], {
        env: { ...env, TERM: 'xterm' },
      }),
    gantry: (...args) => execute(gantry, args, { env }),
    api: async (method, path, body, more = {}) => {
      const { request } = await import('node:http');
      return new Promise((resolve, reject) => {
        const headers = { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...more };
        const outgoing = request({ socketPath: socket, method, path, headers, agent: false }, answer => {
          const chunks: Buffer[] = [];
          answer.on('data', chunk => chunks.push(chunk));
          answer.once('error', reject);
          answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
        });
        outgoing.once('error', reject);
        outgoing.end(body === undefined ? undefined : JSON.stringify(body));
      });
    },
    end,
    start,
    log,
    async [Symbol.asyncDispose]() {
      if (!daemon) await start();
      const containers = (await docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
      if (containers.length > 0) await docker('rm', '-fv', ...containers);
      await end('SIGTERM');
      // The kernel ends a network namespace, and its links with it, some time after its last process.
      const deadline = performance.now() + 10_000;
      let left = leftovers(root, bridge);
      while (left.length > 0 && performance.now() < deadline) {
        await delay(50);
        left = leftovers(root, bridge);
      }
      if (left.length === 0) await removeLink(bridge);
      rmSync(root, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`the daemon left behind:\n${left.join('\n')}`);
    },
  };
  try {
    await start();
    for (const image of options.images ?? ['busybox']) {
      const imported = await docker('import', busyboxArchive(), image);
      if (imported.code !== 0) throw new Error(`import of ${image}: ${imported.stderr}`);
    }
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return test;
}

/** Mounts, processes and links that a daemon of this root and bridge still has. */
function leftovers(root: string, bridge: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter(line => line.includes(root));
  const processes = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(pid => mentions(pid, root))
    .map(pid => `process ${pid}: ${commandLine(pid)}`);
  const links = readdirSync('/sys/class/net').filter(
    link => existsSync(`/sys/class/net/${link}/master`) && masterOf(link) === bridge,
  );
  return [...mounts, ...processes, ...links.map(link => `link ${link}`)];
}

function masterOf(link: string): string {
  return readlinkSync(`/sys/class/net/${link}/master`).split('/').at(-1) ?? '';
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Tells whether a process was started with a path below `root`, or has a file there open, as a shim has. */
function mentions(pid: string, root: string): boolean {
  if (commandLine(pid).includes(root)) return true;
  try {
    return readdirSync(`/proc/${pid}/fd`).some(fd => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${root}/`);
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/** The bridge and its firewall table outlive a daemon on purpose; a test's do not. */
async function removeLink(bridge: string): Promise<void> {
  await execute('nft', ['delete', 'table', 'inet', `gantry-${bridge}`]);
  if (!existsSync(`/sys/class/net/${bridge}`)) return;
  await execute('ip', ['link', 'delete', bridge]);
}

function answers(socket: string): Promise<boolean> {
  return new Promise(resolve => {
    const connection = connect(socket);
    connection.once('error', () => resolve(false));
    connection.once('connect', () => connection.write('GET /_ping HTTP/1.0\r\n\r\n'));
    connection.once('data', data => {
      connection.destroy();
      resolve(data.includes(' 200 '));
    });
  });
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
