import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const base = 24_000 + Math.floor(Math.random() * 200) * 10;

describe('published ports that change while the daemon dies', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    const httpd = ['busybox', 'httpd', '-f', '-p', '80', '-h', '/etc'];
    const { code, stderr } = await daemon.docker('run', '-d', '--name', 'web', '-p', `${base}:80`, ...httpd);
    assert.equal(code, 0, stderr);
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const answers = async (host: string, port: number): Promise<boolean> => {
    try {
      return (await fetch(`http://${host}:${port}/passwd`, { signal: AbortSignal.timeout(5000) })).ok;
    } catch {
      return false;
    }
  };
  const isFree = (port: number): Promise<boolean> =>
    new Promise(done => {
      const server = createServer()
        .once('error', () => done(false))
        .listen(port, '::', () => server.close(() => done(true)));
    });

  test('kill -9 at any moment of a change: what inspect shows is what is published, held and reached', async () => {
    for (const deadline = performance.now() + 10_000; !(await answers('127.0.0.1', base)); await delay(20)) {
      assert.ok(performance.now() < deadline, 'web answers');
    }
    const sets = [[base], [base + 1, base + 2], [base + 1], [base, base + 2]];
    for (let round = 0; round < 8; round++) {
      const wanted = sets[(round + 1) % sets.length] ?? [];
      const bindings = wanted.map(port => ({ HostIp: '', HostPort: String(port) }));
      const update = daemon
        .api('POST', '/containers/web/update', { PortBindings: { '80/tcp': bindings } })
        .catch(() => undefined);
      // Each round a little later: before, in and after the change.
      await delay(round * 2);
      await daemon.end('SIGKILL');
      await update;
      await daemon.start();
      const { stdout } = await daemon.docker('inspect', 'web');
      const [{ HostConfig, NetworkSettings }] = JSON.parse(stdout);
      const shown = (list: readonly { HostPort: string }[]): number[] =>
        [...new Set(list.map(({ HostPort }) => Number(HostPort)))].toSorted();
      const published = shown(NetworkSettings.Ports['80/tcp'] ?? []);
      assert.deepEqual(published, shown(HostConfig.PortBindings['80/tcp']), `round ${round}`);
      for (const port of [base, base + 1, base + 2]) {
        const on = published.includes(port);
        assert.equal(await answers('127.0.0.1', port), on, `round ${round}: 127.0.0.1:${port}`);
        assert.equal(await answers('[::1]', port), on, `round ${round}: [::1]:${port}`);
        assert.equal(await isFree(port), !on, `round ${round}: ${port} is held`);
      }
    }
  });
});
