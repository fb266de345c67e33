/**
 * Fills Node's compile cache (NODE_COMPILE_CACHE) with what the command line and the daemon load, so that the first real command
 * starts as quickly as the later ones. Node keeps the functions that a program has used when it ends: both are run, the daemon, which
 * only root may start, with folders of its own and without a network.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A daemon that is not ready by then (another kernel, half a checkout) says why when it is used. */
const READY_MS = 20_000;

const bundles = resolve(import.meta.dirname, '../.gantry');
execFileSync(process.execPath, ['--', join(bundles, 'cli.mjs'), '--version']);
if (process.getuid?.() === 0) await runDaemon();

async function runDaemon(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-warm-'));
  const socket = join(root, 'gantry.sock');
  const roots = ['--data-root', join(root, 'data'), '--exec-root', join(root, 'run'), '--pidfile', join(root, 'pid')];
  const daemon = spawn(
    process.execPath,
    ['--', join(bundles, 'daemon.mjs'), '--host', `unix://${socket}`, '--bridge', 'none', '--iptables=false', ...roots],
    { stdio: 'inherit' },
  );
  const ended = once(daemon, 'exit');
  const deadlineMs = performance.now() + READY_MS;
  while (!existsSync(socket) && daemon.exitCode === null && performance.now() < deadlineMs) await delay(20);
  daemon.kill('SIGTERM');
  const killer = setTimeout(() => daemon.kill('SIGKILL'), READY_MS);
  await ended;
  clearTimeout(killer);
  rmSync(root, { recursive: true, force: true });
}
