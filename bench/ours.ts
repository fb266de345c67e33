import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execute, pidsWhere, type Target } from './target.ts';

const gantry = resolve(import.meta.dirname, '../gantry');

export type Ours = Target & { readonly root: string; readonly daemonPid: number } & AsyncDisposable;

/** Starts a daemon of this checkout with its own roots and bridge. */
export async function startOurs(options: readonly string[] = []): Promise<Ours> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  const socket = join(root, 'gantry.sock');
  const log = openSync(join(root, 'daemon.log'), 'a');
  const child = spawn(
    gantry,
    [
      'daemon',
      ...['--host', `unix://${socket}`, '--data-root', join(root, 'data'), '--exec-root', join(root, 'run')],
      ...['--pidfile', join(root, 'pid'), '--bridge', 'gantrybench0', ...options],
    ],
    { stdio: ['ignore', log, log] },
  );
  const daemonPid = child.pid;
  if (daemonPid === undefined) throw new Error('the daemon could not be started');
  const ended = new Promise<void>(done => child.once('exit', () => done()));
  for (let tries = 0; ; tries++) {
    const ping = await execute('curl', ['-fs', '--unix-socket', socket, 'http://d/_ping']);
    if (ping.code === 0) break;
    if (tries > 200 || child.exitCode !== null)
      throw new Error(`no daemon:\n${readFileSync(join(root, 'daemon.log'), 'utf8')}`);
    await new Promise(wait => setTimeout(wait, 50));
  }
  return {
    name: 'gantry',
    socket,
    root,
    daemonPid,
    // Launcher, helper and shims carry the daemon's run directory or are its descendants; all are named gantry-*.
    enginePids: () => [daemonPid, ...pidsWhere('comm', comm => /^gantry-/.test(comm))],
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
}
