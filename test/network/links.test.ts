import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

describe('links of a default bridge whose containers do not reach each other', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon({ flags: ['--icc=false'] });
    await ok('run', '-d', '--name', 'db', '--expose', '80', '--stop-timeout', '0', 'busybox', 'sh', '-c', serve);
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const serve = 'httpd -p 80 -h /etc; httpd -p 81 -h /etc; exec sleep 1000';
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const app = (...options: string[]): Promise<string> =>
    ok('run', '-d', ...options, '--stop-timeout', '0', 'busybox', 'sleep', '1000');
  const address = (): Promise<string> => ok('inspect', 'db', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  const reaches = async (from: string, to: string): Promise<boolean> =>
    (
      await daemon.docker('exec', from, 'sh', '-c', `printf 'GET /passwd HTTP/1.0\\r\\n\\r\\n' | nc -w 1 ${to}`)
    ).stdout.includes('root');
  const explained = async (from: string, to: string): Promise<string> =>
    JSON.parse((await daemon.gantry('network', 'explain', '--format', 'json', from, to)).stdout).verdict;

  test('only the one that links reaches the linked container, and only at its exposed ports', async () => {
    await app('--name', 'app', '--link', 'db:store');
    await app('--name', 'stranger');
    assert.equal(await reaches('app', 'store 80'), true);
    assert.equal(await reaches('app', 'store 81'), false);
    assert.equal(await reaches('stranger', `${await address()} 80`), false);
    assert.equal(await explained('app', 'db:80'), 'arrives');
    assert.equal(await explained('app', 'db:81'), 'dropped');
    assert.equal(await explained('stranger', 'db:80'), 'dropped');
  });

  test('the link follows its container to another address, and who gets the old one is not reached', async () => {
    const before = await address();
    await ok('stop', 'db');
    await app('--name', 'next', '--network', 'bridge', '--expose', '80');
    await ok('start', 'db');
    assert.notEqual(await address(), before);
    assert.equal(await reaches('app', `${await address()} 80`), true);
    const rules = await execute('nft', ['list', 'set', 'inet', `gantry-${daemon.bridge}`, 'linked']);
    assert.equal(rules.stdout.match(/ tcp . 80/g)?.length, 1, rules.stdout);
  });

  test('links stay open over the end of the daemon, and on and off the bridge; their removal closes them', async () => {
    await daemon.end('SIGKILL');
    await daemon.start();
    assert.equal(await reaches('app', 'store 80'), true);
    await ok('network', 'disconnect', 'bridge', 'app');
    await ok('network', 'connect', 'bridge', 'app');
    assert.equal(await reaches('app', 'store 80'), true);
    await ok('network', 'disconnect', 'bridge', 'db');
    await ok('network', 'connect', 'bridge', 'db');
    assert.equal(await reaches('app', `${await address()} 80`), true);
    await ok('rm', '--link', 'app/store');
    assert.equal(await reaches('app', `${await address()} 80`), false);
  });
});

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
