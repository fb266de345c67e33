import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { docker, execute, familyOf, parentOf, type Target } from './target.ts';

const gantry = resolve(import.meta.dirname, '../gantry');

export type Ours = Target & {
  readonly root: string;
  readonly daemonPid: () => number;
  /** Ends the daemon and starts it again; milliseconds from exec until the first answer. */
  readonly restart: () => Promise<number>;
  /** Lets the engine condense the blobs of its images, which it does ten minutes after the last transfer elsewhere. */
  readonly condense: () => Promise<void>;
} & AsyncDisposable;

/** Starts a daemon of this checkout with its own roots and bridge. */
export async function startOurs(): Promise<Ours> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  const socket = join(root, 'gantry.sock');
  const log = openSync(join(root, 'daemon.log'), 'a');
  let daemon = await start();

  async function start(condenseAfterSeconds = 0): Promise<{
    readonly pid: number;
    readonly readyMs: number;
    readonly end: () => Promise<void>;
  }> {
    const startMs = performance.now();
    const child = spawn(
      gantry,
      [
        'daemon',
        ...['--host', `unix://${socket}`, '--data-root', join(root, 'data'), '--exec-root', join(root, 'run')],
        ...['--pidfile', join(root, 'pid'), '--bridge', 'gantrybench0'],
        ...['--condense-after', String(condenseAfterSeconds)],
      ],
      // In a session of its own, as a service or the command line starts it.
      { stdio: ['ignore', log, log], detached: true },
    );
    if (child.pid === undefined) throw new Error('the daemon could not be started');
    const ended = new Promise<void>(done => child.once('exit', () => done()));
    while (!(await answers(socket))) {
      if (performance.now() - startMs > 15_000 || child.exitCode !== null) {
        throw new Error(`no daemon:\n${readFileSync(join(root, 'daemon.log'), 'utf8')}`);
      }
      await delay(2);
    }
    const end = (): Promise<void> => {
      child.kill('SIGTERM');
      return ended;
    };
    return { pid: child.pid, readyMs: performance.now() - startMs, end };
  }

  const target: Ours = {
    name: 'gantry',
    socket,
    root,
    daemonPid: () => daemon.pid,
    // A shim is the parent of its container's first process, and no child of the daemon.
    enginePids: async () => {
      const containers = (await docker(target, ['ps', '-q'])).stdout.split('\n').filter(Boolean);
      const pids =
        containers.length === 0
          ? ''
          : (await docker(target, ['inspect', '-f', '{{.State.Pid}}', ...containers])).stdout;
      const shims = pids
        .split('\n')
        .filter(Boolean)
        .map(pid => parentOf(Number(pid)));
      return [...familyOf(daemon.pid), ...shims.filter(pid => pid !== undefined)];
    },
    restart: async () => {
      await daemon.end();
      daemon = await start();
      return daemon.readyMs;
    },
    condense: async () => {
      await daemon.end();
      daemon = await start(1);
      while (blobsToCondense(join(root, 'data/images/overlay2/l')).length > 0) await delay(200);
      await target.restart();
    },
    async [Symbol.asyncDispose]() {
      await daemon.end();
      await execute('ip', ['link', 'delete', 'gantrybench0']);
      rmSync(root, { recursive: true, force: true });
    },
  };
  return target;
}

/** Layers that have a compressed blob, and nothing that says that it stays. */
function blobsToCondense(layers: string): string[] {
  const has = (layer: string, name: string): boolean => existsSync(join(layers, layer, name));
  return readdirSync(layers).filter(layer => has(layer, 'blob') && !has(layer, 'deflate'));
}

function answers(socket: string): Promise<boolean> {
  return new Promise(resolve => {
    const connection = connect(socket);
    connection.setTimeout(1000, () => connection.destroy(new Error('no answer')));
    connection.once('error', () => resolve(false));
    connection.once('connect', () => connection.write('GET /_ping HTTP/1.0\r\n\r\n'));
    connection.once('data', data => {
      connection.destroy();
      resolve(data.includes(' 200 '));
    });
  });
}
