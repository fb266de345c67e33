import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Ended, execute } from './execute.ts';
import { rootOnly } from './skip.ts';

const enter = resolve(import.meta.dirname, '../../../shared/peers/enter');

/** The root folder of the peers, as this machine sees it. */
export const peersRoot = process.env.PEERS_ROOT ?? '/opt/peers';
/** The socket of their dockerd, which may not run. */
export const peerSocket = join(peersRoot, 'run/docker.sock');

/** Why tests with other engines' tools cannot run, or false. */
export function peersSkip(): string | false {
  if (rootOnly) return rootOnly;
  const isThere = existsSync(enter) && existsSync(join(peersRoot, '.ready'));
  return !isThere && 'this machine lacks the peers (../shared/peers/setup)';
}

/** Runs a program of the peers in their root folder. */
export async function inPeers(program: string, ...args: string[]): Promise<Ended> {
  return await execute(enter, [program, ...args], { env: { ...process.env, PEERS_ROOT: peersRoot } });
}
