import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

describe('the life of a container', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    await daemon.docker('rm', '-f', 'box');
  });

  const inspect = async (format: string, name = 'box'): Promise<string> =>
    (await daemon.docker('inspect', '-f', format, name)).stdout.trim();
  /** Starts `box` with a trap, and returns its id once the trap is set. */
  async function trapping(trap: string, ...options: string[]): Promise<string> {
    const script = `trap ${trap}; echo ready; while :; do sleep 0.05; done`;
    const { stdout } = await daemon.docker('run', '-d', '--name', 'box', ...options, 'busybox', 'sh', '-c', script);
    const deadline = performance.now() + 10_000;
    while (!(await daemon.docker('logs', 'box')).stdout.includes('ready'))
      assert.ok(performance.now() < deadline, 'it is never ready');
    return stdout.trim();
  }
  const sleeper = (...options: string[]): Promise<string> => trapping('"exit 3" TERM', ...options);

  test('created, started, stopped, started again, removed', async () => {
    assert.equal((await daemon.docker('create', '--name', 'box', 'busybox', 'sleep', '1000')).code, 0);
    assert.equal(await inspect('{{.State.Status}}'), 'created');
    assert.equal((await daemon.docker('start', 'box')).stdout, 'box\n');
    assert.equal(await inspect('{{.State.Status}} {{.State.Running}}'), 'running true');
    assert.equal((await daemon.docker('stop', '-t', '0', 'box')).code, 0);
    assert.equal(await inspect('{{.State.Status}} {{.State.ExitCode}}'), 'exited 137');
    assert.equal((await daemon.docker('start', 'box')).code, 0);
    const running = await daemon.docker('rm', 'box');
    assert.match(
      running.stderr,
      /cannot remove container "box": container is running: stop the container before removing or force remove/,
    );
    assert.equal((await daemon.docker('rm', '-f', 'box')).code, 0);
    assert.match((await daemon.docker('start', 'box')).stderr, /No such container: box/);
  });

  test('stop sends the stop signal and waits for the status', async () => {
    await sleeper();
    await daemon.docker('stop', 'box');
    assert.equal(await inspect('{{.State.ExitCode}}'), '3');
  });

  test('--stop-signal and --stop-timeout are honoured', async () => {
    await trapping('"exit 5" USR1', '--stop-signal', 'USR1', '--stop-timeout', '30');
    await daemon.docker('stop', 'box');
    assert.equal(await inspect('{{.State.ExitCode}}'), '5');
  });

  test('kill -s, and a bad signal is refused', async () => {
    await trapping('"exit 9" HUP');
    assert.match((await daemon.docker('kill', '-s', 'NOSUCH', 'box')).stderr, /Invalid signal: NOSUCH/i);
    await daemon.docker('kill', '-s', 'HUP', 'box');
    assert.equal((await daemon.docker('wait', 'box')).stdout, '9\n');
    assert.match((await daemon.docker('kill', 'box')).stderr, /is not running/);
  });

  test('restart gives a new process', async () => {
    await sleeper();
    const before = await inspect('{{.State.Pid}}');
    assert.equal((await daemon.docker('restart', '-t', '0', 'box')).code, 0);
    assert.notEqual(await inspect('{{.State.Pid}}'), before);
    assert.equal(await inspect('{{.State.Running}}'), 'true');
  });

  test('pause freezes and unpause goes on', async () => {
    await daemon.docker('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', 'while :; do echo x; sleep 0.02; done');
    assert.equal((await daemon.docker('pause', 'box')).code, 0);
    assert.equal(await inspect('{{.State.Status}}'), 'paused');
    const before = (await daemon.docker('logs', 'box')).stdout.length;
    assert.match((await daemon.docker('exec', 'box', 'true')).stderr, /is paused, unpause the container before exec/);
    assert.equal((await daemon.docker('logs', 'box')).stdout.length, before);
    assert.equal((await daemon.docker('unpause', 'box')).code, 0);
    assert.equal(await inspect('{{.State.Status}}'), 'running');
  });

  test('rename, and lookup by id prefix', async () => {
    const id = await sleeper();
    assert.equal((await daemon.docker('rename', 'box', 'renamed')).code, 0);
    assert.equal(await inspect('{{.Name}}', id.slice(0, 12)), '/renamed');
    assert.match((await daemon.docker('inspect', '--type', 'container', 'box')).stderr, /No such container: box/);
    await daemon.docker('rm', '-f', 'renamed');
  });

  test('wait answers with the status, also for one that ended before', async () => {
    await daemon.docker('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', 'exit 11');
    assert.equal((await daemon.docker('wait', 'box')).stdout, '11\n');
    assert.equal((await daemon.docker('wait', 'box')).stdout, '11\n');
  });

  test('start -a shows the output and gives the status', async () => {
    await daemon.docker('create', '--name', 'box', 'busybox', 'sh', '-c', 'echo said; exit 4');
    const { code, stdout } = await daemon.docker('start', '-a', 'box');
    assert.deepEqual([code, stdout], [4, 'said\n']);
    await daemon.docker('rm', 'box');
    await daemon.docker('create', '-i', '--name', 'box', 'busybox', 'cat');
    assert.equal((await daemon.dockerWithInput('typed\n', 'start', '-ai', 'box')).stdout, 'typed\n');
  });

  test('attach sees what comes from then on, and detaches by keys', async () => {
    await trapping('"echo bye; exit 6" TERM');
    const attached = daemon.docker('attach', '--no-stdin', 'box');
    await daemon.docker('exec', 'box', 'true');
    await daemon.docker('stop', 'box');
    const { code, stdout } = await attached;
    assert.deepEqual([code, stdout], [6, 'bye\n']);
  });

  test('exec: status, input, user, directory, environment', async () => {
    await daemon.docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '1000');
    assert.equal((await daemon.docker('exec', 'box', 'sh', '-c', 'exit 8')).code, 8);
    assert.equal((await daemon.dockerWithInput('in\n', 'exec', '-i', 'box', 'cat')).stdout, 'in\n');
    assert.equal(
      (
        await daemon.docker(
          'exec',
          '-u',
          'nobody',
          '-w',
          '/tmp',
          '-e',
          'X=1',
          'box',
          'sh',
          '-c',
          'id -un; pwd; echo $X',
        )
      ).stdout,
      'nobody\n/tmp\n1\n',
    );
    assert.equal((await daemon.docker('exec', 'box', 'nosuch')).code, 127);
    assert.equal((await daemon.docker('exec', 'box', '/etc')).code, 126);
    assert.equal((await daemon.docker('exec', '-d', 'box', 'touch', '/made')).code, 0);
    const terminal = await daemon.inTerminal('exec', '-it', 'box', 'tty');
    assert.match(terminal.stdout, /\/dev\/pts\/\d/);
    assert.match(
      (await daemon.docker('exec', 'box', 'sh', '-c', 'grep -E "CapEff|Seccomp:" /proc/self/status')).stdout,
      /a80425fb\nSeccomp:\s+2/,
    );
    assert.match(
      (await daemon.docker('exec', '--privileged', 'box', 'grep', 'CapEff', '/proc/self/status')).stdout,
      /000001ff/,
    );
    await daemon.docker('kill', 'box');
    assert.match((await daemon.docker('exec', 'box', 'true')).stderr, /container [0-9a-f]{64} is not running/);
  });

  test('logs: all, tail, timestamps, follow until the end', async () => {
    await daemon.docker(
      'run',
      '--name',
      'box',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3 4 5; do echo line $i; done; echo problem >&2; printf unfinished',
    );
    assert.equal((await daemon.docker('logs', 'box')).stdout, 'line 1\nline 2\nline 3\nline 4\nline 5\nunfinished');
    assert.equal((await daemon.docker('logs', 'box')).stderr, 'problem\n');
    assert.equal((await daemon.docker('logs', '-n', '3', 'box')).stdout, 'line 5\nunfinished');
    assert.match(
      (await daemon.docker('logs', '-t', '-n', '1', 'box')).stdout,
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z unfinished$/,
    );
    assert.equal((await daemon.docker('logs', '--since', '2090-01-01T00:00:00Z', 'box')).stdout, '');
    await daemon.docker('rm', 'box');
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'box',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3; do echo $i; sleep 0.1; done',
    );
    assert.equal((await daemon.docker('logs', '-f', 'box')).stdout, '1\n2\n3\n');
  });

  test('ps: filters, formats, sizes', async () => {
    const id = await sleeper('-l', 'color=red', '-p', '127.0.0.1::80');
    assert.equal((await daemon.docker('ps', '-q', '--no-trunc', '--filter', 'label=color=red')).stdout.trim(), id);
    assert.equal((await daemon.docker('ps', '-q', '--filter', 'label=color=blue')).stdout, '');
    assert.match(
      (await daemon.docker('ps', '--format', '{{.Names}} {{.Status}} {{.Ports}}')).stdout,
      /^box Up .*127\.0\.0\.1:\d+->80\/tcp\n$/,
    );
    assert.match((await daemon.docker('ps', '-s', '--format', '{{.Size}}')).stdout, /B \(virtual .*B\)/);
    assert.match((await daemon.docker('ps', '--filter', 'nosuch=1')).stderr, /invalid filter 'nosuch'/);
    await daemon.docker('kill', 'box');
    assert.equal((await daemon.docker('ps', '-q')).stdout, '');
    assert.match(
      (
        await daemon.docker(
          'ps',
          '-a',
          '--filter',
          'status=exited',
          '--filter',
          'exited=137',
          '--format',
          '{{.Status}}',
        )
      ).stdout,
      /^Exited \(137\) /,
    );
  });

  test('top, port and events', async () => {
    const id = await sleeper('-p', '18077:80');
    assert.match((await daemon.docker('top', 'box')).stdout, /PID.*CMD[\s\S]*sh -c/);
    assert.match((await daemon.docker('port', 'box')).stdout, /80\/tcp -> 0\.0\.0\.0:18077/);
    await daemon.docker('rm', '-f', 'box');
    const now = Math.ceil(Date.now() / 1000) + 1;
    const events = await daemon.docker(
      'events',
      '--since',
      String(now - 600),
      '--until',
      String(now),
      '--filter',
      `container=${id}`,
      '--format',
      '{{.Action}}',
    );
    assert.deepEqual(events.stdout.trim().split('\n'), ['create', 'start', 'top', 'kill', 'die', 'destroy']);
  });

  test('--rm removes container and anonymous volumes', async () => {
    await daemon.docker('run', '--rm', '--name', 'box', '-v', '/anonymous', 'busybox', 'true');
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '');
    assert.equal((await daemon.docker('volume', 'ls', '-q')).stdout, '');
  });

  test('a restart policy starts it again', async () => {
    await daemon.docker('run', '-d', '--name', 'box', '--restart', 'on-failure:2', 'busybox', 'sh', '-c', 'exit 1');
    assert.equal((await daemon.docker('wait', 'box')).code, 0);
    const deadline = performance.now() + 20_000;
    while ((await inspect('{{.RestartCount}} {{.State.Status}}')) !== '2 exited') {
      assert.ok(performance.now() < deadline, await inspect('{{json .State}}'));
    }
  });
});
