import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { execute, pidsWhere, type Target } from './target.ts';

const peers = resolve(import.meta.dirname, '../../shared/peers');
const socket = '/opt/peers/run/docker.sock';

/** Starts dockerd of ../shared/peers, or takes the one that runs; undefined where it is not set up. */
export async function startPeer(): Promise<(Target & AsyncDisposable) | undefined> {
  if (!existsSync('/opt/peers/.ready')) return undefined;
  const ping = await execute('curl', ['-fs', '--unix-socket', socket, 'http://d/_ping']);
  const ours = ping.code !== 0;
  if (ours) {
    const started = await execute(`${peers}/dockerd`, ['start']);
    if (started.code !== 0) throw new Error(`the peer dockerd did not start: ${started.stderr}`);
  }
  return {
    name: 'dockerd',
    socket,
    enginePids: async () => pidsWhere('comm', comm => /^(dockerd|containerd|containerd-shim|docker-proxy)/.test(comm)),
    async [Symbol.asyncDispose]() {
      if (ours) await execute(`${peers}/dockerd`, ['stop']);
    },
  };
}
