import { close, open } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { promisify } from 'node:util';

/**
 * Connects to the shim of a run directory; undefined when none listens there.
 * Through a descriptor of the directory, whose path may be longer than a socket address.
 */
export async function connectShim(runDir: string): Promise<Socket | undefined> {
  const directory = await promisify(open)(runDir, 'r').catch(() => undefined);
  if (directory === undefined) return undefined;
  try {
    return await new Promise(resolve => {
      const socket = createConnection({ path: `/proc/self/fd/${directory}/shim.sock` });
      const failed = (): void => resolve(undefined);
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        resolve(socket);
      });
    });
  } finally {
    close(directory);
  }
}
