import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';
import { slowness } from '../harness/slowness.ts';

const subnet = `198.18.${Math.floor(Math.random() * 250)}`;

describe('a container that ended while a connection of it waits for an answer', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const until = async (what: string, test: () => Promise<boolean> | boolean): Promise<void> => {
    for (const deadline = performance.now() + 5000 * slowness; !(await test()); await delay(20)) {
      assert.ok(performance.now() < deadline, what);
    }
  };

  before(async () => {
    daemon = await startDaemon();
    await ok('network', 'create', '--subnet', `${subnet}.0/24`, 'ended');
  });
  after(async () => {
    const containers = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (containers.length > 0) await daemon.docker('rm', '-f', ...containers);
    await daemon.docker('network', 'rm', 'ended');
    await daemon[Symbol.asyncDispose]();
  });

  test('leaves its address to the next one at once, and its link goes though its namespace lives on', async () => {
    const run = (...args: string[]) => ok('run', '-d', '--network', 'ended', ...args);
    const sleeper = ['busybox', 'sleep', '1000'];
    await run('--name', 'sink', '--cap-add', 'NET_ADMIN', 'busybox', 'nc', '-ll', '-p', '9', '-e', ...sleeper.slice(1));
    await run('--name', 'first', '--ip', `${subnet}.77`, ...sleeper);
    await until('the sink listens', async () => / \S+:9 /.test(await ok('exec', 'sink', 'netstat', '-ltn')));
    await ok('exec', '-d', 'first', 'sh', '-c', 'nc sink 9 </dev/zero');
    await until('data waits for the sink', async () =>
      /[1-9]\d{4}\s+\S+:\d+\s+\S+:9\s+ESTABLISHED/.test(await ok('exec', 'first', 'netstat', '-tn')),
    );
    // What was sent is never answered, so that the kernel keeps the connection, and the namespace, for minutes.
    await ok('exec', 'sink', 'ip', 'link', 'set', 'eth0', 'down');
    const id = await ok('inspect', 'first', '-f', '{{.NetworkSettings.Networks.ended.EndpointID}}');
    const link = `/sys/class/net/gntry${id.slice(0, 7)}`;
    await ok('rm', '-f', 'first');
    assert.ok(existsSync(link), 'the kernel ended the namespace: this test shows nothing');

    await run('--name', 'second', '--ip', `${subnet}.77`, 'busybox', 'httpd', '-f', '-p', '80', '-h', '/etc');
    await run('--name', 'caller', ...sleeper);
    await until('the second listens', async () => /:80 /.test(await ok('exec', 'second', 'netstat', '-ltn')));
    for (let call = 0; call < 3; call++) {
      const ask = `printf 'GET /passwd HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${subnet}.77 80`;
      assert.match(await ok('exec', 'caller', 'sh', '-c', ask), /root/);
    }
    await until('the link goes', () => !existsSync(link));
  });
});
