import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

describe('a daemon that is killed and started again', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const again = async (): Promise<void> => {
    await daemon.end('SIGKILL');
    await daemon.start();
  };
  const inspect = async (format: string, name: string): Promise<string> =>
    (await daemon.docker('inspect', '-f', format, name)).stdout.trim();

  test('a running container runs on, with its log, exec, wait and stop', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'on',
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done',
    );
    const pid = await inspect('{{.State.Pid}}', 'on');
    await again();
    assert.equal(await inspect('{{.State.Pid}} {{.State.Running}}', 'on'), `${pid} true`);
    assert.equal((await daemon.docker('exec', 'on', 'echo', 'here')).stdout, 'here\n');
    const waited = daemon.docker('wait', 'on');
    await daemon.docker('stop', '-t', '0', 'on');
    assert.equal((await waited).stdout, '137\n');
    const lines = (await daemon.docker('logs', 'on')).stdout.trim().split('\n').map(Number);
    assert.deepEqual(
      lines,
      lines.map((_, index) => index + 1),
      'the log has no gap',
    );
    await daemon.docker('rm', 'on');
  });

  test('times have nanoseconds, and stay what they are', async () => {
    await daemon.docker('run', '--name', 'timed', 'busybox', 'true');
    const times = await inspect('{{.State.StartedAt}} {{.State.FinishedAt}}', 'timed');
    // One of a thousand ends in three zeros by chance; both do one time in a million.
    assert.match(times, /\.\d{7,9}Z/);
    await again();
    assert.equal(await inspect('{{.State.StartedAt}} {{.State.FinishedAt}}', 'timed'), times);
    await daemon.docker('rm', 'timed');
  });

  test('what ended meanwhile has its true status', async () => {
    await daemon.docker('run', '-d', '--name', 'ended', 'busybox', 'sh', '-c', 'sleep 0.3; exit 21');
    await daemon.end('SIGKILL');
    await new Promise(done => setTimeout(done, 600));
    await daemon.start();
    assert.equal(await inspect('{{.State.Status}} {{.State.ExitCode}}', 'ended'), 'exited 21');
    await daemon.docker('rm', 'ended');
  });

  test('an exec has its true status, whether it ended before the daemon was killed or while none ran', async () => {
    await daemon.docker('run', '-di', '--name', 'busy', 'busybox', 'sh', '-c', 'mkfifo /one /two; sleep 1000');
    const start = async (script: string): Promise<string> => {
      const created = await daemon.api('POST', '/containers/busy/exec', { Cmd: ['sh', '-c', script] });
      const id = (JSON.parse(created.body) as { Id: string }).Id;
      assert.equal((await daemon.api('POST', `/exec/${id}/start`, { Detach: true })).status, 200);
      return id;
    };
    const state = async (id: string): Promise<{ Running: boolean; ExitCode: number | null; Pid: number }> =>
      JSON.parse((await daemon.api('GET', `/exec/${id}/json`)).body);
    const before = await start('exit 21');
    await until(async () => ((await state(before)).Running ? 'it runs' : undefined));
    const during = await start('read line </one; exit 22');
    const after = await start('read line </two; exit 23');
    const { Pid: pid } = await state(during);
    const root = `/proc/${await inspect('{{.State.Pid}}', 'busy')}/root`;
    await daemon.end('SIGKILL');
    writeFileSync(`${root}/one`, 'one\n');
    await until(() => (existsSync(`/proc/${pid}`) ? 'the exec runs' : undefined));
    await daemon.start();
    assert.deepEqual(await state(before).then(({ Running, ExitCode }) => [Running, ExitCode]), [false, 21]);
    assert.deepEqual(await state(during).then(({ Running, ExitCode }) => [Running, ExitCode]), [false, 22]);
    assert.deepEqual(await state(after).then(({ Running, ExitCode }) => [Running, ExitCode]), [true, null]);
    writeFileSync(`${root}/two`, 'two\n');
    await until(async () => ((await state(after)).Running ? 'it runs' : undefined));
    assert.equal((await state(after)).ExitCode, 23);
    await daemon.docker('rm', '-f', 'busy');
  });

  test('a --rm container that ended meanwhile is gone', async () => {
    await daemon.docker('run', '-d', '--rm', '--name', 'brief', 'busybox', 'sleep', '0.3');
    await daemon.end('SIGKILL');
    await new Promise(done => setTimeout(done, 600));
    await daemon.start();
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '');
  });

  test('a terminal that is attached does not notice', async () => {
    await daemon.docker('run', '-di', '--name', 'echo', 'busybox', 'cat');
    const client = spawn('docker', ['-H', `unix://${daemon.socket}`, 'attach', 'echo']);
    const seen: string[] = [];
    const line = (): Promise<string> => new Promise(done => client.stdout.once('data', chunk => done(String(chunk))));
    client.stdout.on('data', chunk => seen.push(String(chunk)));
    const first = line();
    client.stdin.write('before\n');
    await first;
    await again();
    const second = line();
    client.stdin.write('after\n');
    await second;
    assert.equal(seen.join(''), 'before\nafter\n');
    client.stdin.end();
    await new Promise(done => client.once('close', done));
    await daemon.docker('rm', '-f', 'echo');
  });

  test('a published port stays published', async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '127.0.0.1:18078:80',
      'busybox',
      'httpd',
      '-f',
      '-p',
      '80',
      '-h',
      '/etc',
    );
    await again();
    const answer = await fetch('http://127.0.0.1:18078/passwd');
    assert.match(await answer.text(), /^root:/);
    await daemon.docker('rm', '-f', 'web');
  });

  test('a shim that is killed is noticed and reported', async () => {
    await daemon.docker('run', '-d', '--name', 'orphan', 'busybox', 'sleep', '1000');
    const pid = Number(await inspect('{{.State.Pid}}', 'orphan'));
    const { readFileSync } = await import('node:fs');
    const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    const waited = daemon.docker('wait', 'orphan');
    process.kill(shim, 'SIGKILL');
    assert.equal((await waited).stdout, '137\n');
    assert.equal(await inspect('{{.State.Status}}', 'orphan'), 'exited');
    assert.notEqual(await inspect('{{.State.Error}}', 'orphan'), '');
    await daemon.docker('rm', 'orphan');
  });

  test('a launcher that is killed is started again', async () => {
    const { readdirSync, readFileSync } = await import('node:fs');
    const children = readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .filter(pid => {
        try {
          return readFileSync(`/proc/${pid}/status`, 'utf8').includes(`\nPPid:\t${daemon.pid()}\n`);
        } catch {
          return false;
        }
      });
    assert.ok(children.length > 0, 'the daemon has a launcher');
    for (const child of children) process.kill(Number(child), 'SIGKILL');
    assert.equal((await daemon.docker('run', '--rm', 'busybox', 'echo', 'again')).stdout, 'again\n');
  });
});
