import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Ended, execute } from './harness/execute.ts';
import { rootOnly } from './harness/skip.ts';

const top = resolve(import.meta.dirname, '..');

describe('the front door of a fresh clone', { skip: rootOnly }, () => {
  let root: string;
  let clone: string;
  let daemon: ChildProcess | undefined;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'gantry-test-'));
    clone = join(root, 'a clone');
    const cloned = await execute('git', ['clone', '-q', top, clone]);
    assert.equal(cloned.code, 0, cloned.stderr);
  });
  after(async () => {
    await end();
    await execute('nft', ['delete', 'table', 'inet', 'gantry-gantryfd0']);
    await execute('ip', ['link', 'delete', 'gantryfd0']);
    rmSync(root, { recursive: true, force: true });
  });

  const socket = (): string => join(root, 'gantry.sock');
  const run = (...args: string[]): Promise<Ended> => execute(join(clone, 'gantry'), args, { timeoutMs: 300_000 });
  async function end(): Promise<void> {
    if (!daemon || daemon.exitCode !== null) return;
    const ended = new Promise(done => daemon?.once('exit', done));
    daemon.kill('SIGTERM');
    await ended;
  }

  test('a setup that is interrupted is no setup, and the next command goes on', async () => {
    // A terminal sends Ctrl-C to the whole group.
    const interrupted = spawn(join(clone, 'gantry'), ['--version'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    assert.ok(interrupted.pid);
    const ended = new Promise(done => interrupted.once('exit', done));
    await new Promise(begun => interrupted.stderr?.once('data', begun));
    process.kill(-interrupted.pid, 'SIGINT');
    await ended;
    assert.ok(!existsSync(join(clone, '.gantry/ready')));
    const again = await run('--version');
    assert.equal(again.stdout, 'Gantry version 0.1.0\n', again.stderr);
    assert.match(again.stderr, /gantry: filling the compile cache: done/);
    assert.equal((await run('--version')).stderr, '', 'the second command has nothing to do');
  });

  test('its first container is hello-world, without a registry', async () => {
    const host = `unix://${socket()}`;
    daemon = spawn(
      join(clone, 'gantry'),
      [
        ...['daemon', '--host', host, '--data-root', join(root, 'data'), '--exec-root', join(root, 'run')],
        ...['--bridge', 'gantryfd0', '--default-address-pool', 'base=10.213.0.0/16,size=24'],
      ],
      { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], env: { ...process.env, GANTRY_READY_FD: '3' } },
    );
    await new Promise(ready => daemon?.stdio[3]?.once('data', ready));
    // No network but the loopback of a namespace of its own.
    const hello = await execute('unshare', ['-n', join(clone, 'gantry'), '-H', host, 'run', '--rm', 'hello-world']);
    assert.equal(hello.code, 0, hello.stderr);
    assert.match(hello.stdout, /Hello from/);
    const saved = await execute('sh', ['-c', `"$0" -H ${host} save hello-world | tar t`, join(clone, 'gantry')]);
    assert.match(saved.stdout, /manifest\.json/);
    assert.match((await run('-H', host, 'rmi', 'hello-world')).stdout, /Untagged: hello-world:latest/);
    await end();
  });

  test('two first commands at once set up once, and both go on', async () => {
    // As after a clone, but for what would be downloaded again.
    rmSync(join(clone, '.gantry/ready'));
    rmSync(join(clone, 'packages/runtime/native/build'), { recursive: true });
    const both = await Promise.all([run('--version'), run('--version')]);
    for (const { code, stdout, stderr } of both)
      assert.deepEqual([code, stdout], [0, 'Gantry version 0.1.0\n'], stderr);
    const told = both.map(({ stderr }) => stderr).join('');
    assert.equal(told.match(/compiling the launcher, the shim and init: done/g)?.length, 1, told);
    assert.match(told, /another setup of this checkout is at work, waiting for it/);
  });

  test('a user who may not reach the engine is told what to do, also where the checkout is not set up', async () => {
    chmodSync(root, 0o755);
    const asNobody = (...args: string[]): Promise<Ended> =>
      execute('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', join(clone, 'gantry'), ...args]);
    const refused = await asNobody('-H', `unix://${socket()}`, 'ps');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /sudo/);
    renameSync(join(clone, '.gantry/ready'), join(clone, '.gantry/kept'));
    const unready = await asNobody('--version');
    renameSync(join(clone, '.gantry/kept'), join(clone, '.gantry/ready'));
    assert.equal(unready.code, 1);
    assert.match(unready.stderr, /writes into it, which nobody may not: run it once as the owner of .*a clone\n/);
  });

  test('a source that was changed runs at the next command, also when it does not fit into one file', async () => {
    const engineSays = (): Promise<Ended> => run('daemon', '--no-such-flag');
    for (const [program, source, say] of [
      ['cli', 'packages/cli/src/main.ts', () => run('--version')],
      ['daemon', 'packages/daemon/src/main.ts', engineSays],
    ] as const) {
      const path = join(clone, source);
      const [before, usual] = [readFileSync(path, 'utf8'), await say()];
      writeFileSync(path, `console.error('changed');\n${before}`);
      assert.deepEqual(await say(), { ...usual, stderr: `changed\n${usual.stderr}` }, source);
      const changed = readFileSync(join(clone, `.gantry/${program}.cjs`), 'utf8');
      writeFileSync(path, `console.error(import.meta.main);\n${before}`);
      assert.deepEqual(await say(), { ...usual, stderr: `true\n${usual.stderr}` }, source);
      assert.equal(readFileSync(join(clone, `.gantry/${program}.cjs`), 'utf8'), changed, 'it cannot be bundled');
      writeFileSync(path, before);
      assert.deepEqual(await say(), usual, source);
    }
  });

  test('a checkout that was moved warms its compile cache again', async () => {
    const moved = join(root, 'moved');
    renameSync(clone, moved);
    clone = moved;
    assert.match((await run('--version')).stderr, /gantry: filling the compile cache: done/);
    assert.equal((await run('--version')).stderr, '');
  });

  test('without a compiler the line that installs one is printed', async () => {
    rmSync(join(clone, '.gantry/ready'));
    const env = { ...process.env, CC: 'no-such-compiler' };
    const refused = await execute(join(clone, 'gantry'), ['--version'], { env });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /a C compiler and make are needed once; install them with: apt-get install -y gcc/);
  });
});
