import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execute } from './target.ts';

const enter = resolve(import.meta.dirname, '../../shared/peers/enter');
const START_MS = 30_000;

/**
 * A second dockerd of the peers with the containerd image store, with a containerd, roots and socket of its own, without
 * network: only its disk is looked at. Both end with `use`.
 */
export async function withContainerdStore<T>(
  use: (store: { readonly socket: string; readonly folders: readonly string[] }) => Promise<T>,
): Promise<T> {
  const root = mkdtempSync('/opt/peers/var/lib/gantry-bench-');
  const inside = `/var/lib/${basename(root)}`;
  for (const name of ['containerd', 'docker']) mkdirSync(join(root, name));
  const containerd = `version = 2\nroot = "${inside}/containerd"\nstate = "${inside}/state"\n[grpc]\naddress = "${inside}/c.sock"\n`;
  writeFileSync(join(root, 'containerd.toml'), containerd);
  writeFileSync(join(root, 'daemon.json'), '{"features":{"containerd-snapshotter":true}}');
  const start = (name: string, args: readonly string[]): void => {
    const script = `echo $$ >${inside}/${name}.pid; exec "$@"`;
    // A network of its own: without a bridge it would delete the docker0 of the other dockerd.
    const command = [enter, 'sh', '-c', script, name, name, ...args];
    spawn('unshare', ['--net', ...command], { stdio: 'ignore', detached: true }).unref();
  };
  try {
    start('containerd', ['--config', `${inside}/containerd.toml`]);
    await there(join(root, 'c.sock'));
    const files = ['--config-file', `${inside}/daemon.json`, '--pidfile', `${inside}/docker.pid`];
    const roots = ['--data-root', `${inside}/docker`, '--exec-root', `${inside}/run`];
    const sockets = ['--containerd', `${inside}/c.sock`, '-H', `unix://${inside}/docker.sock`];
    start('dockerd', [...files, ...roots, ...sockets, '--bridge', 'none', '--iptables=false', '--ip6tables=false']);
    await there(join(root, 'docker.sock'));
    return await use({
      socket: join(root, 'docker.sock'),
      folders: [join(root, 'containerd'), join(root, 'docker')],
    });
  } finally {
    for (const name of ['dockerd', 'containerd']) await end(join(root, `${name}.pid`));
    rmSync(root, { recursive: true, force: true });
  }
}

async function there(path: string): Promise<void> {
  for (const startMs = performance.now(); !existsSync(path); await delay(50)) {
    if (performance.now() - startMs > START_MS) throw new Error(`${path} does not appear`);
  }
}

async function end(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return;
  const pid = readFileSync(pidFile, 'utf8').trim();
  await execute('kill', [pid]);
  for (const startMs = performance.now(); existsSync(`/proc/${pid}`) && performance.now() - startMs < START_MS; ) {
    await delay(50);
  }
}
