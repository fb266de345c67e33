import { spawn } from 'node:child_process';
import { test } from 'node:test';

const INSIDE = 'GANTRY_TEST_OWN_NETWORK';

/**
 * Runs the tests that `define` declares in a network namespace of their own: the file is run again inside it, so the
 * host's links and rules are never touched. Needs root.
 */
export function inOwnNetwork(file: string, define: () => void): void {
  if (process.env[INSIDE] === file) {
    define();
    return;
  }
  const skip = process.getuid?.() !== 0 && 'needs root';
  test('in a network namespace of its own', { skip }, async () => {
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const child = spawn('unshare', ['-n', process.execPath, '--test-reporter=spec', file], {
      env: { ...environment, [INSIDE]: file },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    child.stdout.on('data', data => output.push(data));
    child.stderr.on('data', data => output.push(data));
    const code = await new Promise(resolve => child.on('close', resolve));
    if (code !== 0) throw new Error(`the tests inside failed:\n${Buffer.concat(output)}`);
  });
}
