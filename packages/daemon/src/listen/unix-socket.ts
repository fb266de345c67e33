import { once } from 'node:events';
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { conflict, systemError } from '@gantry/errors';
import { ConfigError } from '../config/values.ts';

/** The group that may use the socket when none is named; missing on many machines. */
const defaultGroup = 'docker';

/**
 * Lets a server listen on a path, readable by root and `group` only from the first moment: it is bound under another
 * name and renamed.
 * @throws conflict when somebody answers there, or the path is no socket
 */
export async function listenUnix(server: Server, path: string, group: string | undefined): Promise<Disposable> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  await assertFree(path);
  const gid = groupId(group);
  const temporary = `${path}.${process.pid}`;
  rmSync(temporary, { force: true });
  const umask = process.umask(0o177);
  try {
    server.listen(temporary);
  } finally {
    process.umask(umask);
  }
  await once(server, 'listening');
  chownSync(temporary, 0, gid);
  chmodSync(temporary, 0o660);
  const { ino } = lstatSync(temporary);
  renameSync(temporary, path);
  return {
    [Symbol.dispose]: () => {
      const there = lstatSync(path, { throwIfNoEntry: false });
      if (there?.ino === ino) rmSync(path, { force: true });
    },
  };
}

async function assertFree(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there) return;
  if (!there.isSocket()) throw conflict(`can't create unix socket ${path}: something else is there`);
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch {
    // Nobody listens: a daemon that was killed left it.
    return;
  } finally {
    socket.destroy();
  }
  throw conflict(`can't create unix socket ${path}: is in use`, {
    hint: 'another daemon serves it: stop it, or choose another -H',
  });
}

/** @throws ConfigError when a group was named that does not exist */
function groupId(name: string | undefined): number {
  const wanted = name ?? defaultGroup;
  if (wanted === '') return 0;
  if (/^\d+$/.test(wanted)) return Number(wanted);
  try {
    for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
      const [group, , gid] = line.split(':');
      if (group === wanted) return Number(gid);
    }
  } catch (error) {
    throw systemError(`reading /etc/group: ${(error as Error).message}`);
  }
  if (name !== undefined) throw new ConfigError(`group ${name} not found`);
  return 0;
}
