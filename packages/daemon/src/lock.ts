import { closeSync, constants, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { conflict } from '@gantry/errors';
import { lockFile } from '@gantry/linux';

/**
 * Takes a directory for this daemon alone; the kernel gives it back when the process ends, however it does.
 * @throws conflict when another daemon has it
 */
export function lockDirectory(path: string, flag: string): Disposable {
  const file = join(path, 'lock');
  const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  if (!lockFile(descriptor)) {
    const owner = readFileSync(descriptor, 'utf8').trim();
    closeSync(descriptor);
    throw conflict(`${path} is in use by another Gantry daemon${owner === '' ? '' : ` (process ${owner})`}`, {
      hint: `stop that daemon, or choose another directory by --${flag}`,
    });
  }
  writeFileSync(file, `${process.pid}\n`);
  return { [Symbol.dispose]: () => closeSync(descriptor) };
}

/**
 * Writes the pid file; one that a daemon left behind is replaced.
 * @throws conflict when its process still runs and is a daemon of ours
 */
export function writePidFile(path: string): Disposable {
  const before = readPid(path);
  if (before !== undefined && before !== process.pid && isDaemon(before)) {
    throw conflict(
      `failed to start daemon, ensure gantry is not running or delete ${path}: process with PID ${before} is still running`,
    );
  }
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${process.pid}\n`, { mode: 0o644 });
  renameSync(temporary, path);
  return {
    [Symbol.dispose]: () => {
      if (readPid(path) === process.pid) rmSync(path, { force: true });
    },
  };
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** A pid may belong to something else by now. */
function isDaemon(pid: number): boolean {
  try {
    return /packages\/daemon\/src\/main\.ts|gantry/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}
