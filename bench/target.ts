import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** An engine under measurement, driven by the official `docker` client. */
export type Target = {
  readonly name: 'dockerd' | 'gantry';
  /** Path of its unix socket. */
  readonly socket: string;
  /** Pids of the engine's own processes: daemon, helpers, shims; not those of containers. */
  readonly enginePids: () => Promise<number[]>;
};

export type Ended = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly wallMs: number;
};

/** A program that runs longer hangs; the rows after it are still to be measured. */
const LONGEST_MS = 600_000;

/** Runs a program to its end. `output: 'drop'` leaves its output unread, for gigabytes. A program that hangs is killed. */
export function execute(file: string, args: readonly string[], output: 'keep' | 'drop' = 'keep'): Promise<Ended> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['ignore', output === 'drop' ? 'ignore' : 'pipe', 'pipe'],
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', chunk => out.push(chunk));
    child.stderr?.on('data', chunk => err.push(chunk));
    child.once('error', reject);
    child.once('close', code =>
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
        wallMs: performance.now() - startMs,
      }),
    );
  });
}

/** The official client against a target. @throws when it exits with another status than 0 */
export async function docker(
  target: Target,
  args: readonly string[],
  output: 'keep' | 'drop' = 'keep',
): Promise<Ended> {
  const ended = await execute('docker', ['-H', `unix://${target.socket}`, ...args], output);
  if (ended.code !== 0)
    throw new Error(`${target.name}: docker ${args.join(' ')}: exit ${ended.code}: ${ended.stderr.trim()}`);
  return ended;
}

/** Starts `count` containers that sleep, named `<prefix><n>`, four at a time. */
export async function startSleepers(
  target: Target,
  prefix: string,
  count: number,
  options: readonly string[] = [],
): Promise<void> {
  await eachOf(count, 4, index =>
    docker(target, ['run', '-d', '--name', `${prefix}${index}`, ...options, 'busybox', 'sleep', '100000']),
  );
}

/** Removes what `startSleepers` started. */
export async function removeSleepers(target: Target, prefix: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 50) {
    const names = Array.from({ length: Math.min(50, count - from) }, (_, index) => `${prefix}${from + index}`);
    await docker(target, ['rm', '-f', ...names]);
  }
}

/** Runs `work` for 0 to count - 1 with so many at once. */
export async function eachOf(count: number, atOnce: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Sum of the proportional set sizes of some processes, in MB. Those that are gone count nothing. */
export function pssMb(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    try {
      kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {}
  }
  return kilobytes / 1024;
}

/** Pids whose `/proc/<pid>/<file>` satisfies a test. */
export function pidsWhere(file: 'cmdline' | 'comm', test: (content: string) => boolean): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        return test(readFileSync(`/proc/${pid}/${file}`, 'utf8'));
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** A process and all its descendants. */
export function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const other of pidsWhere('comm', () => true)) {
    const parent = parentOf(other);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), other]);
  }
  const family = [pid];
  for (const member of family) family.push(...(children.get(member) ?? []));
  return family;
}

/** The parent of a process; undefined when it is gone. */
export function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

/** The middle of some numbers, or another quantile of them. */
export function quantile(values: readonly number[], q = 0.5): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
