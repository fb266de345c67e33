import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, resolve } from 'node:path';
import { isDaemon, readPid } from './daemon-stop.ts';
import { ExitError } from './errors.ts';

export const DAEMON_LOG = '/var/log/gantry.log';

/** The longest start that is waited for; a daemon is ready in a fraction of a second. */
const START_TIMEOUT_MS = 30_000;
/** Held by the daemon of the default data root, with its pid. */
const DATA_LOCK = '/var/lib/gantry/lock';
/** A daemon that another command has started is waited for so long: it may also be one without this socket. */
const OTHER_START_TIMEOUT_MS = 10_000;

/**
 * Starts a daemon in a session and control group of its own, and waits until it answers on `socketPath`.
 * The daemon is given GANTRY_READY_FD=3, a pipe into which it writes `ready\n`; where it does not, its socket is watched.
 * @throws ExitError with the end of the log when it does not come up
 */
export async function startDaemon(socketPath: string): Promise<void> {
  process.stderr.write(
    `gantry: no engine answers on unix://${socketPath}, starting one (log: ${DAEMON_LOG}; \`gantry daemon --stop\` ends it)\n`,
  );
  const log = openSync(DAEMON_LOG, 'a', 0o640);
  const from = fstatSync(log).size;
  const gantry = resolve(import.meta.dirname, '../../../gantry');
  const child = spawn(gantry, ['daemon'], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    env: { ...process.env, GANTRY_READY_FD: '3' },
  });
  if (child.pid !== undefined) leaveControlGroup(child.pid);
  try {
    await Promise.race([ready(child, socketPath), timeout(START_TIMEOUT_MS)]);
  } catch (error) {
    const tail = readTail(from);
    throw new ExitError(
      1,
      `gantry: ${error instanceof Error ? error.message : String(error)}${tail === '' ? '' : `; the end of ${DAEMON_LOG}:\n${tail}`}`,
    );
  } finally {
    closeSync(log);
    child.unref();
    child.stdio[3]?.destroy();
  }
}

/**
 * A service manager ends what stays in the control group of the service or session that a command was typed in.
 * Where that cannot be left, the daemon still works.
 */
function leaveControlGroup(pid: number): void {
  for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']) {
    if (!existsSync(`${root}/cgroup.procs`)) continue;
    try {
      mkdirSync(`${root}/gantry-daemon`, { recursive: true });
      writeFileSync(`${root}/gantry-daemon/cgroup.procs`, String(pid));
    } catch {
      // Read-only or delegated elsewhere.
    }
  }
}

function timeout(milliseconds: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the engine is not ready after ${milliseconds / 1000} s`)), milliseconds).unref();
  });
}

async function ready(child: ChildProcess, socketPath: string): Promise<void> {
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ?? `status ${code}`));
  });
  const told = new Promise<void>(resolve => child.stdio[3]?.once('data', () => resolve()));
  // fs.watch sees the socket appear; a second one is needed since binding comes before listening.
  const socket = whenConnectable(socketPath);
  try {
    const end = await Promise.race([told, socket.connected, ended]);
    if (typeof end !== 'string' || (await connectable(socketPath))) return;
    // One that ended because another command is starting its own is no failure: that one will answer.
    const other = readPid(DATA_LOCK);
    if (other === undefined || !isDaemon(other)) throw new Error(`the engine ended with ${end}`);
    await Promise.race([socket.connected, timeout(OTHER_START_TIMEOUT_MS)]);
  } finally {
    socket.stop();
  }
}

function whenConnectable(path: string): { readonly connected: Promise<void>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let tries = 0;
  let timer: NodeJS.Timeout | undefined;
  const attempt = async () => {
    clearTimeout(timer);
    if (await connectable(path)) return resolve();
    if (existsSync(path) && tries++ < 50) timer = setTimeout(attempt, 20);
  };
  const watcher = watch(dirname(path), (_, name) => {
    if (name === basename(path)) void attempt();
  });
  return {
    connected: promise,
    stop() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

function connectable(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function readTail(from: number): string {
  const log = openSync(DAEMON_LOG, 'r');
  try {
    const size = fstatSync(log).size;
    const bytes = Buffer.alloc(Math.min(4096, Math.max(0, size - from)));
    readSync(log, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString().trimEnd();
  } finally {
    closeSync(log);
  }
}
