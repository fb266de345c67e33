import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const port = 29_000 + Math.floor(Math.random() * 3000);

describe('gantry network explain', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  const addresses = new Map<string, string>();
  before(async () => {
    daemon = await startDaemon();
    for (const [name, ...options] of [
      ['front'],
      ['back', '--internal'],
      ['shy', '--opt', 'com.docker.network.bridge.enable_icc=false'],
    ]) {
      await daemon.docker('network', 'create', ...options, name ?? '');
    }
    for (const [name = '', network = '', ...options] of [
      ['web', 'front', '-p', `${port}:80`],
      ['app', 'front'],
      ['db', 'back'],
      ['shy1', 'shy'],
      ['shy2', 'shy'],
    ]) {
      const httpd = ['busybox', 'httpd', '-f', '-p', '80', '-h', '/etc'];
      await daemon.docker('run', '-d', '--name', name, '--network', network, ...options, ...httpd);
      const path = `{{.NetworkSettings.Networks.${network}.IPAddress}}`;
      addresses.set(name, (await daemon.docker('inspect', '-f', path, name)).stdout.trim());
    }
    for (
      const deadline = performance.now() + 5000;
      !(await reaches('app', addresses.get('web') ?? '', 80));
      await delay(20)
    ) {
      if (performance.now() > deadline) throw new Error('web does not answer');
    }
  });
  after(async () => {
    await daemon?.docker('rm', '-f', 'web', 'app', 'db', 'shy1', 'shy2');
    await daemon?.docker('network', 'rm', 'front', 'back', 'shy');
    await daemon?.[Symbol.asyncDispose]();
  });

  const reaches = async (from: string, address: string, to: number): Promise<boolean> => {
    const command = `printf 'GET /passwd HTTP/1.0\\r\\n\\r\\n' | nc -w 1 ${address} ${to}`;
    return (await daemon.docker('exec', from, 'sh', '-c', command)).stdout.includes('root');
  };

  for (const [from, to, said, word] of [
    ['app', 'web', 'arrives', /switches the frame/],
    ['app', 'db', 'dropped', /nothing else reaches containers/],
    ['db', 'web', 'dropped', /no route to/],
    ['shy1', 'shy2', 'dropped', /isolated from each other/],
    ['shy1', 'web', 'dropped', /connect both containers to one network/],
  ] as const) {
    test(`what it says of ${from} to ${to} is what happens: ${said}`, async () => {
      const { code, stdout, stderr } = await daemon.gantry('network', 'explain', from, `${to}:80`);
      assert.equal(stderr, '');
      assert.match(stdout, word);
      assert.equal(code, said === 'dropped' ? 1 : 0);
      assert.equal(await reaches(from, addresses.get(to) ?? '', 80), said === 'arrives');
    });
  }

  test('a published port is followed to its container, as data too', async () => {
    const gateway = (await daemon.docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'shy'))
      .stdout;
    assert.ok(await reaches('shy1', gateway.trim(), port));
    const answer = await daemon.gantry('network', 'explain', '--format', 'json', 'shy1', `host:${port}`);
    const path = JSON.parse(answer.stdout) as { verdict: string; steps: { place: string; what: string }[] };
    assert.equal(path.verdict, 'arrives', answer.stdout);
    const { what } = path.steps.find(({ place }) => place.endsWith('chain prerouting')) ?? {};
    assert.equal(what, `${gateway.trim()}:${port} is published: the destination becomes ${addresses.get('web')}:80`);
    assert.match(path.steps.at(-1)?.place ?? '', /^web/);
    const closed = await daemon.gantry('network', 'explain', 'shy1', `host:${port + 1}`);
    assert.match(closed.stdout, /is published by no container here/);
  });

  test('what is not there, or not running, is a clear error', async () => {
    assert.match((await daemon.gantry('network', 'explain', 'nobody', 'web')).stderr, /No such container: nobody/);
    assert.match((await daemon.gantry('network', 'explain', 'app', 'web:0')).stderr, /invalid port in "web:0"/);
    assert.equal((await daemon.api('GET', '/gantry/path?from=app')).status, 400);
    await daemon.docker('create', '--name', 'still', 'busybox', 'true');
    assert.match((await daemon.gantry('network', 'explain', 'still', 'web')).stderr, /is not running/);
    await daemon.docker('rm', 'still');
  });
});
