import { systemError } from '@gantry/errors';
import { closeDescriptor, file, flags, openInRoot, SystemCallError, statInRoot } from '@gantry/linux';

/** What dockerd keeps as files in every container; here they are mounted later, or not at all. */
const FILES = new Set(['/.dockerenv', '/dev/console', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf']);

/**
 * Makes the working directory of a container in its root, with its parents, owned by root as dockerd does. Links stay
 * inside the root. A directory that exists is left as it is.
 * @param path absolute and clean
 * @throws systemError `Cannot mkdir: X is not a directory`
 */
export function makeWorkingDirectory(rootFd: number, path: string): void {
  if (path === '' || path === '/') return;
  const there = statInRoot(rootFd, path);
  if (there?.isDirectory()) return;
  if (there || FILES.has(path)) throw systemError(`Cannot mkdir: ${path} is not a directory`);
  const parts = path.split('/').filter(part => part !== '');
  let parent = openInRoot(rootFd, '/', flags.O_PATH);
  try {
    for (const [index, part] of parts.entries()) {
      const made = file.tryMakeDirectoryAt(parent, file.byteString(part), 0o755);
      const next = openDirectory(rootFd, parts.slice(0, index + 1).join('/'), path, made);
      closeDescriptor(parent);
      parent = next;
    }
  } finally {
    closeDescriptor(parent);
  }
}

function openDirectory(rootFd: number, path: string, whole: string, made: number): number {
  try {
    return openInRoot(rootFd, path, flags.O_PATH | file.O_DIRECTORY);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.code === 'ENOTDIR') throw systemError(`Cannot mkdir: ${whole} is not a directory`, { cause: error });
    const cause = made < 0 ? new SystemCallError('mkdirat', -made, path) : error;
    throw systemError(`cannot make the working directory ${whole}: ${cause.message}`, { cause });
  }
}
