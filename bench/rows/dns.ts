/** Answers of the resolver at 127.0.0.11 to names of a container's own network. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Row } from '../row.ts';
import { docker, execute, type Target } from '../target.ts';

const ANSWERS = 50_000;
const WINDOW = 32;

let program: string | undefined;

function loadProgram(): string {
  if (program) return program;
  const directory = mkdtempSync(join(tmpdir(), 'gantry-bench-dns-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  program = join(directory, 'dns-load');
  execFileSync('cc', ['-O2', '-o', program, resolve(import.meta.dirname, '../dns-load.c')]);
  return program;
}

/** Processor time that a process has used, in ms; the kernel counts in steps of 10. Undefined when it is gone. */
function processorMs(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return undefined;
  }
}

async function ask(target: Target): Promise<{ readonly wallMs: number; readonly engineMs: number }> {
  const pid = (await docker(target, ['inspect', '-f', '{{.State.Pid}}', 'dns0'])).stdout.trim();
  const before = (await target.enginePids()).map(engine => [engine, processorMs(engine)] as const);
  const load = ['-t', pid, '-n', loadProgram(), 'dns1', String(ANSWERS), String(WINDOW)];
  const { code, stderr, wallMs } = await execute('nsenter', load);
  if (code !== 0) throw new Error(`${target.name}: ${stderr}`);
  let engineMs = 0;
  for (const [engine, beforeMs] of before) {
    const afterMs = processorMs(engine);
    if (beforeMs !== undefined && afterMs !== undefined) engineMs += afterMs - beforeMs;
  }
  return { wallMs, engineMs };
}

const two = {
  prepare: async (target: Target): Promise<void> => {
    await docker(target, ['network', 'create', 'benchdns']);
    for (const name of ['dns0', 'dns1'])
      await docker(target, ['run', '-d', '--name', name, '--network', 'benchdns', 'busybox', 'sleep', '100000']);
  },
  restore: async (target: Target): Promise<void> => {
    await docker(target, ['rm', '-f', 'dns0', 'dns1']);
    await docker(target, ['network', 'rm', 'benchdns']);
  },
};

export const dnsRows: readonly Row[] = [
  {
    id: 'dns-processor',
    title: `${ANSWERS} answers for names, the engine's processor time`,
    unit: 'ms',
    runs: 5,
    limit: { ratio: 1 / 3 },
    ...two,
    measure: async target => (await ask(target)).engineMs,
  },
  {
    id: 'dns',
    title: `${ANSWERS} answers for names, ${WINDOW} questions at a time`,
    unit: 'ms',
    runs: 5,
    limit: { ratio: 1 / 3 },
    ...two,
    measure: async target => (await ask(target)).wallMs,
  },
];
