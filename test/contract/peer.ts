import { execFileSync } from 'node:child_process';

/** The dockerd to compare with, and the folder that it takes for the root of the host. */
export const PEER_SOCKET = process.env.PEER_SOCKET ?? '/opt/peers/run/docker.sock';
export const PEER_ROOT = process.env.PEER_ROOT ?? '/opt/peers';

/** A socket file may outlive its engine, so the engine is asked. */
export function lacksPeer(): string | false {
  try {
    execFileSync('docker', ['-H', `unix://${PEER_SOCKET}`, 'version'], { stdio: 'ignore', timeout: 5000 });
    return false;
  } catch {
    return 'this machine lacks a running dockerd to compare with (PEER_SOCKET)';
  }
}
