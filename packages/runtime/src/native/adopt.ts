import { systemError } from '@gantry/errors';
import type { Adopted } from '../launch.ts';
import { readExitFile } from './exit-file.ts';
import { ShimConnection } from './shim-connection.ts';
import { connectShim } from './shim-socket.ts';

/** A shim greets at once; one that does not is stopped or stuck. */
const GREETING_MS = 10_000;

/**
 * Finds out what became of the container that was launched with `runDir`, and connects to its shim when it runs.
 * @throws system when the shim runs but is of another version
 */
export async function adoptShim(id: string, runDir: string): Promise<Adopted> {
  const before = await readExitFile(runDir);
  if (before !== undefined) return { state: 'exited', exit: before };
  const socket = await connectShim(runDir);
  if (socket !== undefined) {
    const { greeting, close } = ShimConnection.greet(id, runDir, socket);
    const timer = setTimeout(close, GREETING_MS);
    const answer = await greeting.finally(() => clearTimeout(timer));
    if (answer.kind === 'foreign') {
      throw systemError(`the shim of container ${id.slice(0, 12)} speaks version ${answer.protocol} of the protocol`, {
        hint: 'stop it with the version of gantry that started it',
      });
    }
    if (answer.kind === 'running') return { state: 'running', shim: answer.shim };
  }
  // It may have ended while we were asking.
  const after = await readExitFile(runDir);
  return after === undefined ? { state: 'gone' } : { state: 'exited', exit: after };
}
