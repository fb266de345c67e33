import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { slowness } from './slowness.ts';

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end; `input` is its whole standard input. */
export function execute(
  file: string,
  args: readonly string[],
  options: { readonly input?: string | Buffer; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child: ChildProcessWithoutNullStreams = spawn(file, args, {
      env: options.env ?? process.env,
      timeout: (options.timeoutMs ?? 120_000) * slowness,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', chunk => out.push(chunk));
    child.stderr.on('data', chunk => err.push(chunk));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const stderr = Buffer.concat(err).toString();
      if (signal === 'SIGKILL' && code === null) reject(new Error(`${file} ${args.join(' ')}: timed out\n${stderr}`));
      else resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}
