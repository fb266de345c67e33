import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

type Health = { Status: string; FailingStreak: number; Log: { ExitCode: number; Output: string }[] };

describe('health checks', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const run = (name: string, ...flags: string[]): Promise<string> =>
    ok('run', '-d', '--name', name, '--stop-timeout', '0', ...flags, 'busybox', 'sleep', '1000');
  const health = async (name: string): Promise<Health> =>
    JSON.parse(await ok('inspect', name, '-f', '{{json .State.Health}}'));
  /** Waits for the next event of a status; `since` reaches back to before the container's start. */
  const status = (name: string, since: number, wanted: string, until: number): Promise<string> =>
    ok(
      ...['events', '--since', String(since), '--until', `${Math.floor(Date.now() / 1000) + until}`],
      ...['--filter', `container=${name}`, '--filter', `event=health_status: ${wanted}`, '--format', '{{.Action}}'],
    );
  const untilHealth = async (name: string, wanted: string): Promise<void> => {
    const controller = new AbortController();
    const since = Math.floor(Date.now() / 1000) - 60;
    const { body } = await daemonEvents(daemon, since, name, controller.signal);
    for await (const chunk of body) {
      if (String(chunk).includes(`health_status: ${wanted}`)) break;
    }
    controller.abort();
  };

  test('a container becomes healthy, unhealthy and healthy again, with events, filters and the words of ps', async () => {
    const since = Math.floor(Date.now() / 1000);
    await run(
      'sick',
      '--health-cmd',
      'echo looked; test -e /ok',
      '--health-interval',
      '100ms',
      '--health-retries',
      '2',
    );
    assert.match(await ok('ps', '--filter', 'name=sick', '--format', '{{.Status}}'), /health: starting|unhealthy/);
    await untilHealth('sick', 'unhealthy');
    const { Status, FailingStreak, Log } = await health('sick');
    assert.equal(Status, 'unhealthy');
    assert.ok(FailingStreak >= 2);
    assert.deepEqual([Log[0]?.ExitCode, Log[0]?.Output], [1, 'looked\n']);
    assert.equal(await ok('ps', '-q', '--filter', 'health=healthy'), '');
    assert.match(
      await ok('ps', '--filter', 'health=unhealthy', '--format', '{{.Names}} {{.Status}}'),
      /^sick .*\(unhealthy\)$/,
    );
    await ok('exec', 'sick', 'touch', '/ok');
    await untilHealth('sick', 'healthy');
    assert.equal((await health('sick')).FailingStreak, 0);
    assert.equal(await ok('ps', '--filter', 'health=healthy', '--format', '{{.Names}}'), 'sick');
    assert.match(await status('sick', since, 'unhealthy', 1), /^health_status: unhealthy/);

    await daemon.end('SIGKILL');
    await daemon.start();
    assert.equal((await health('sick')).Status, 'healthy');
    await ok('exec', 'sick', 'rm', '/ok');
    await untilHealth('sick', 'unhealthy');
    await ok('stop', 'sick');
    assert.equal((await health('sick')).Status, 'unhealthy');
    await ok('start', 'sick');
    assert.notEqual((await health('sick')).Status, 'healthy');
  });

  test('failures in the start period do not count, and its interval is its own', async () => {
    await run(
      'slow',
      ...['--health-cmd', 'n=$(cat /n || echo 0); echo $((n + 1)) > /n; test $n -gt 4', '--health-interval', '100s'],
      ...['--health-retries', '1', '--health-start-period', '100s', '--health-start-interval', '50ms'],
    );
    await untilHealth('slow', 'healthy');
  });

  test('a check that takes too long is killed, one that cannot run says why, and none is none', async () => {
    await run(
      'hangs',
      '--health-cmd',
      'echo begun; sleep 1000',
      '--health-interval',
      '50ms',
      '--health-timeout',
      '200ms',
      '--health-retries',
      '1',
    );
    await untilHealth('hangs', 'unhealthy');
    const [first] = (await health('hangs')).Log;
    assert.deepEqual([first?.ExitCode, first?.Output], [-1, 'Health check exceeded timeout (200ms): begun\n']);
    const { status: created } = await daemon.api('POST', '/v1.51/containers/create?name=lacks', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      Healthcheck: { Test: ['CMD', '/nosuch'], Interval: 50_000_000, Retries: 1 },
    });
    assert.equal(created, 201);
    await ok('start', 'lacks');
    await untilHealth('lacks', 'unhealthy');
    const [failed] = (await health('lacks')).Log;
    assert.equal(failed?.ExitCode, -1);
    assert.match(failed?.Output ?? '', /\/nosuch/);
    await run('none', '--no-healthcheck');
    assert.equal(await ok('inspect', 'none', '-f', '{{.State.Health}}'), '<nil>');
  });

  test('a paused container is not probed, and is again when it goes on', async () => {
    await run('paused', '--health-cmd', 'true', '--health-interval', '50ms');
    await untilHealth('paused', 'healthy');
    await ok('pause', 'paused');
    const before = (await health('paused')).Log.at(-1);
    assert.deepEqual((await health('paused')).Log.at(-1), before);
    await ok('exec', 'sick', 'true');
    assert.deepEqual((await health('paused')).Log.at(-1), before);
    await ok('unpause', 'paused');
    assert.equal((await health('paused')).Status, 'healthy');
  });
});

async function daemonEvents(daemon: TestDaemon, since: number, name: string, signal: AbortSignal) {
  const { request } = await import('node:http');
  const filters = encodeURIComponent(JSON.stringify({ container: [name], event: ['health_status'] }));
  return new Promise<{ body: AsyncIterable<Buffer> }>((resolve, reject) => {
    request({ socketPath: daemon.socket, path: `/v1.51/events?since=${since}&filters=${filters}`, signal }, body => {
      body.on('error', () => {});
      resolve({ body });
    })
      .on('error', reject)
      .end();
  });
}
