import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;

/** Waits for what the daemon does by itself after a signal. */
async function until(what: string, happened: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!happened()) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen`);
    await delay(10);
  }
}

function second(daemon: TestDaemon, ...more: string[]): Promise<{ code: number; stderr: string }> {
  return execute(gantry, ['daemon', '--bridge', 'none', '-H', `unix://${join(daemon.root, 'second.sock')}`, ...more]);
}

test('a second daemon on the same roots, pid file or socket is refused and says why', { skip: rootOnly }, async () => {
  await using daemon = await startDaemon({ images: [] });
  const own = ['--data-root', join(daemon.root, 'd2'), '--exec-root', join(daemon.root, 'r2')];
  const sameData = await second(daemon, '--data-root', join(daemon.root, 'data'), ...own.slice(2));
  assert.equal(sameData.code, 1);
  assert.match(
    sameData.stderr,
    /data is in use by another Gantry daemon \(process \d+\) \(stop that daemon, or choose/,
  );
  const sameExec = await second(daemon, ...own.slice(0, 2), '--exec-root', join(daemon.root, 'run'));
  assert.match(sameExec.stderr, /run is in use by another Gantry daemon/);
  const samePid = await second(daemon, ...own, '--pidfile', join(daemon.root, 'pid'));
  assert.match(samePid.stderr, /ensure gantry is not running or delete .*: process with PID \d+ is still running/);
  const sameSocket = await execute(gantry, ['daemon', '--bridge', 'none', '-H', `unix://${daemon.socket}`, ...own]);
  assert.equal(sameSocket.code, 1);
  assert.match(sameSocket.stderr, /can't create unix socket .* is in use/);
  assert.equal((await daemon.docker('version')).code, 0);
});

test('what is wrong with the command line or the file is said before anything is touched', {
  skip: rootOnly,
}, async () => {
  const unknown = await execute(gantry, ['daemon', '--no-such-flag']);
  assert.equal(unknown.code, 125);
  assert.equal(unknown.stderr, "unknown flag: --no-such-flag\nSee 'gantry daemon --help'.\n");
  const refused = await execute(gantry, ['daemon', '--userns-remap=default', '--data-root=/nonexistent/gantry-data']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the option userns-remap cannot be honoured yet/);
  assert.equal(existsSync('/nonexistent'), false);
});

test('the daemon weighs more than other sessions, its containers do not', {
  skip: rootOnly || (!existsSync('/proc/self/autogroup') && 'the kernel lacks autogroups'),
}, async () => {
  await using daemon = await startDaemon();
  const niceOf = (pid: string | number): string =>
    /nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'utf8'))?.[1] ?? '';
  await daemon.docker('run', '-d', '--name', 'light', 'busybox', 'sleep', '1000');
  const pid = (await daemon.docker('inspect', '-f', '{{.State.Pid}}', 'light')).stdout.trim();
  const shim = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  assert.deepEqual([daemon.pid(), shim, pid].map(niceOf), ['-10', '0', '0']);
});

test('SIGTERM ends the daemon with status 0 and takes its socket and pid file away', { skip: rootOnly }, async () => {
  await using daemon = await startDaemon({ images: [] });
  assert.equal(statSync(daemon.socket).mode & 0o777, 0o660);
  assert.equal(Number(readFileSync(join(daemon.root, 'pid'), 'utf8')), daemon.pid());
  await daemon.end('SIGTERM');
  assert.equal(existsSync(daemon.socket), false);
  assert.equal(existsSync(join(daemon.root, 'pid')), false);
  assert.match(daemon.log(), /daemon shutdown complete/);
  await daemon.start();
});

test('SIGHUP reads daemon.json again; a broken one changes nothing', { skip: rootOnly }, async () => {
  const file = join('/var/tmp', `gantry-test-daemon-${process.pid}.json`);
  writeFileSync(file, '{"labels":["a=1"]}');
  await using daemon = await startDaemon({ images: [], flags: ['--config-file', file] });
  const labels = async (): Promise<string> => (await daemon.docker('info', '-f', '{{.Labels}}')).stdout.trim();
  assert.equal(await labels(), '[a=1]');
  writeFileSync(file, '{"labels":["a=2"],"debug":true}');
  process.kill(daemon.pid(), 'SIGHUP');
  await until('the reload', () => daemon.log().includes('reloaded configuration: debug, labels'));
  assert.equal(await labels(), '[a=2]');
  writeFileSync(file, '{"labels":');
  process.kill(daemon.pid(), 'SIGHUP');
  await until('the refusal', () => daemon.log().includes('the configuration was not reloaded'));
  assert.equal(await labels(), '[a=2]');
  writeFileSync(file, '{}');
});

test('SIGUSR1 writes jobs and stacks to a file that the log names', { skip: rootOnly }, async () => {
  await using daemon = await startDaemon();
  await daemon.docker('run', '--rm', 'busybox', 'true');
  process.kill(daemon.pid(), 'SIGUSR1');
  await until('the dump', () => daemon.log().includes('jobs and stacks dumped to'));
  const name = readdirSync(join(daemon.root, 'run')).find(entry => entry.startsWith('gantry-dump-'));
  const dump = JSON.parse(readFileSync(join(daemon.root, 'run', name ?? ''), 'utf8')) as {
    ended: { Verb: string }[];
    javascriptStack: unknown;
  };
  assert.ok(dump.ended.some(job => job.Verb === 'container.start'));
  assert.ok(dump.javascriptStack);
});

test('with live restore off, containers end with the daemon', { skip: rootOnly }, async () => {
  await using daemon = await startDaemon({ flags: ['--live-restore=false'] });
  await daemon.docker('run', '-d', '--name', 'cc', '--stop-timeout', '1', 'busybox', 'sleep', '1000');
  await daemon.end('SIGTERM');
  await daemon.start();
  assert.match((await daemon.docker('inspect', '-f', '{{.State.Status}}', 'cc')).stdout, /exited/);
});
