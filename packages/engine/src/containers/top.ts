import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { conflict, systemError } from '@gantry/errors';
import { cgroup } from '@gantry/linux';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import { notRunning } from './kill.ts';

const run = promisify(execFile);

/** The container's processes in the columns of the host's ps. @throws conflict unless it runs, system in the words of ps */
export async function topOfContainer(
  context: EngineContext,
  container: Container,
  psArgs: string,
): Promise<{ Titles: string[]; Processes: string[][] }> {
  const wanted = psArgs === '' ? '-ef' : psArgs;
  checkPsArgs(wanted);
  if (container.state.status === 'restarting') {
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  }
  if (!container.run) throw notRunning(container);
  const pids = await cgroup.readPids(context.options.cgroup, container.run.facts.cgroupPath);
  const list = parsePs(await ps(wanted.split(' '), pids), new Set(pids));
  context.containerEvent(container, 'top');
  return list;
}

/** A PID column under another name would hide who is who. */
function checkPsArgs(psArgs: string): void {
  for (const [, key = '', value = ''] of psArgs.matchAll(/\s+([^\s]*)=\s*(PID[^\s]*)/g)) {
    if (key !== 'pid') throw systemError(`specifying "${key}=${value}" is not allowed`);
  }
}

/** ps with `-q` and the pids; some arguments do not go with that, then of all processes. */
async function ps(args: readonly string[], pids: readonly number[]): Promise<string> {
  const options = { maxBuffer: 64 << 20, env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' } };
  try {
    return (await run('ps', [...args, `-q${pids.join(',')}`], options)).stdout;
  } catch {
    try {
      return (await run('ps', [...args], options)).stdout;
    } catch (error) {
      const { stderr, code } = error as { stderr?: string; code?: string | number };
      if (code === 'ENOENT') {
        throw systemError('ps: exec: "ps": executable file not found in $PATH', { hint: 'install procps on the host' });
      }
      throw systemError(`ps: ${stderr?.split('\n')[0] || `exit status ${code}`}`, { cause: error });
    }
  }
}

const fields = (line: string): string[] => line.split(/[\t\n\f\r ]+/).filter(field => field !== '');

/** Keeps the lines of `pids`, and lines of threads that follow them; the last column takes the rest of its line. */
export function parsePs(output: string, pids: ReadonlySet<number>): { Titles: string[]; Processes: string[][] } {
  const [head = '', ...lines] = output.split('\n');
  const titles = fields(head);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw systemError("Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let ofContainer = false;
  for (const line of lines) {
    if (line === '') continue;
    const values = fields(line);
    const pid = values[pidColumn] ?? '';
    if (pid !== '-') {
      if (!/^\d+$/.test(pid)) throw systemError(`Unexpected pid '${pid}'`);
      ofContainer = pids.has(Number(pid));
    }
    if (!ofContainer) continue;
    const last = titles.length - 1;
    processes.push([...values.slice(0, last), values.slice(last).join(' ')]);
  }
  return { Titles: titles, Processes: processes };
}
