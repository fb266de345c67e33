import { readFileSync, rmdirSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { ExitError } from './errors.ts';

/** The longest stop that is waited for: with `"live-restore": false` the engine stops its containers first. */
const STOP_TIMEOUT_MS = 60_000;

/** Ends the daemon of a PID file, and waits until it is gone. @throws ExitError when none runs, or it does not end */
export async function stopDaemon(pidFile: string): Promise<void> {
  const pid = readPid(pidFile);
  if (pid === undefined || !isDaemon(pid))
    throw new ExitError(1, `gantry: no engine runs (looked for it in ${pidFile})`);
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    const refused = error instanceof Error && 'code' in error && error.code === 'EPERM';
    if (refused) throw new ExitError(1, 'gantry: the engine belongs to root: put sudo before the command');
  }
  await gone(pid, pidFile);
  for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']) {
    try {
      rmdirSync(`${root}/gantry-daemon`);
    } catch {
      // Not there, or shims of running containers still live in it.
    }
  }
}

/** The process whose number a file holds; undefined when it holds none. */
export function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** A PID is reused: only a process that runs our daemon is meant. */
export function isDaemon(pid: number): boolean {
  try {
    return /gantry-daemon|\/packages\/daemon\//.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}

function gone(pid: number, pidFile: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error) => {
      clearInterval(timer);
      clearTimeout(limit);
      watcher.close();
      if (error) reject(error);
      else resolve();
    };
    const look = () => {
      if (!isDaemon(pid)) finish();
    };
    // The engine removes its PID file as it leaves; a process that is no child cannot be waited for otherwise.
    const watcher = watch(dirname(pidFile), look);
    const timer = setInterval(look, 25);
    const limit = setTimeout(
      () =>
        finish(
          new ExitError(
            1,
            `gantry: the engine (pid ${pid}) has not ended after ${STOP_TIMEOUT_MS / 1000} s; its log says why`,
          ),
        ),
      STOP_TIMEOUT_MS,
    );
    look();
  });
}
