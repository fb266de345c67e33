import { closeSync, readdirSync, readFileSync } from 'node:fs';
import type { Ulimit } from '@gantry/engine';

const closeOnExec = 0o2000000;
/** systemd hands its sockets over from this number on. */
const firstListenFd = 3;

/**
 * Closes what the command that started this daemon had open by chance: it would stay open as long as the daemon lives.
 * Node's own descriptors are close-on-exec, those that were given on purpose are named in the environment.
 * @see sd_listen_fds(3)
 */
export function closeInheritedDescriptors(env: NodeJS.ProcessEnv): void {
  const ready = Number(env.GANTRY_READY_FD ?? -1);
  const listening = firstListenFd + Number(env.LISTEN_FDS ?? 0);
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor < listening || descriptor === ready) continue;
    try {
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0) closeSync(descriptor);
    } catch {
      // The folder's own descriptor, gone already.
    }
  }
}

/**
 * The limit of open files that containers get by default: the one that this daemon was started with. Node raises its own soft
 * limit to the hard one; `./gantry` passes what it was before as GANTRY_NOFILE.
 */
export function inheritedFileLimit(
  env: NodeJS.ProcessEnv,
  limits = readFileSync('/proc/self/limits', 'latin1'),
): Ulimit | undefined {
  const soft = fileCount(env.GANTRY_NOFILE);
  const hard = fileCount(/^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1]);
  return soft === undefined || hard === undefined ? undefined : { Name: 'nofile', Soft: soft, Hard: hard };
}

/** A number of files, -1 for any number, undefined when `text` says neither. */
function fileCount(text: string | undefined): number | undefined {
  if (text === 'unlimited') return -1;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
