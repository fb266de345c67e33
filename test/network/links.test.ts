import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

describe('links of the default bridge', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await ok(
      ...['run', '-d', '--name', 'mysql', '-h', 'dbhost', '-e', 'FOO=bar', '-e', 'HOME=/x', '--expose', '80'],
      ...['--stop-timeout', '0', 'busybox', 'sleep', '1000'],
    );
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const fails = async (text: string, ...args: string[]): Promise<void> => {
    const { code, stderr } = await daemon.docker(...args);
    assert.notEqual(code, 0);
    assert.ok(stderr.includes(text), stderr);
  };
  const address = (name: string): Promise<string> =>
    ok('inspect', name, '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}');

  test('the linked container is in the environment, in /etc/hosts and in inspect, and answers to its alias', async () => {
    await ok('run', '-d', '--name', 'app', '--link', 'mysql:my-db', '--stop-timeout', '0', 'busybox', 'sleep', '1000');
    const ip = await address('mysql');
    const env = await ok('exec', 'app', 'env');
    for (const line of [
      `MY_DB_PORT=tcp://${ip}:80`,
      `MY_DB_PORT_80_TCP=tcp://${ip}:80`,
      `MY_DB_PORT_80_TCP_ADDR=${ip}`,
      'MY_DB_PORT_80_TCP_PORT=80',
      'MY_DB_PORT_80_TCP_PROTO=tcp',
      'MY_DB_NAME=/app/my-db',
      'MY_DB_ENV_FOO=bar',
    ]) {
      assert.ok(env.split('\n').includes(line), `${line} is not in\n${env}`);
    }
    assert.doesNotMatch(env, /MY_DB_ENV_HOME/);
    assert.match(await ok('exec', 'app', 'cat', '/proc/1/environ'), /MY_DB_NAME=/);
    assert.ok((await ok('exec', 'app', 'cat', '/etc/hosts')).includes(`${ip}\tmy-db dbhost mysql\n`));
    await ok('exec', 'app', 'ping', '-c', '1', 'my-db');
    assert.equal(await ok('inspect', 'app', '-f', '{{json .HostConfig.Links}}'), '["/mysql:/app/my-db"]');
    assert.equal(await ok('inspect', 'app/my-db', '-f', '{{.Name}}'), '/mysql');
    assert.equal(await ok('ps', '--no-trunc', '--filter', 'name=mysql', '--format', '{{.Names}}'), 'mysql,app/my-db');
  });

  test('a linked container that comes up with another address is found there', async () => {
    const before = await address('mysql');
    await ok('stop', 'mysql');
    await fails(
      'Cannot link to a non running container: /mysql AS /late/db',
      'run',
      '--name',
      'late',
      '--link',
      'mysql:db',
      'busybox',
      'true',
    );
    await ok('start', 'mysql');
    const after = await address('mysql');
    assert.notEqual(after, before);
    await ok(
      'exec',
      'app',
      'sh',
      '-c',
      `until grep -q "^${after}.my-db dbhost mysql$" /etc/hosts; do sleep 0.05; done`,
    );
    assert.ok(!(await ok('exec', 'app', 'cat', '/etc/hosts')).includes(`${before}\t`));
  });

  test('links outlive the daemon, and are removed by their name', async () => {
    await daemon.end('SIGKILL');
    await daemon.start();
    assert.equal(await ok('inspect', 'app', '-f', '{{json .HostConfig.Links}}'), '["/mysql:/app/my-db"]');
    await fails('Conflict, cannot remove the default link name of the container', 'rm', '--link', 'app');
    await ok('rm', '--link', 'app/my-db');
    await fails('No such container: app/my-db', 'rm', '--link', 'app/my-db');
    assert.equal(await ok('inspect', 'app', '-f', '{{json .HostConfig.Links}}'), 'null');
    assert.doesNotMatch(await ok('exec', 'app', 'cat', '/etc/hosts'), /my-db/);
  });

  test('what cannot be linked is refused in dockerd’s words', async () => {
    await fails(
      'could not get container for nosuch: No such container: nosuch',
      'run',
      '--link',
      'nosuch:db',
      'busybox',
      'true',
    );
    await ok('run', '-d', '--name', 'onhost', '--network', 'host', '--stop-timeout', '0', 'busybox', 'sleep', '1000');
    await fails("host type networking can't be used with links", 'run', '--link', 'onhost:db', 'busybox', 'true');
  });
});
