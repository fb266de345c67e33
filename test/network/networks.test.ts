import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import type { Ended } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

describe('user-defined networks', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon?.docker('network', 'prune', '-f');
    await daemon?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const names = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (names.length > 0) await daemon.docker('rm', '-f', ...names);
    await daemon.docker('network', 'prune', '-f');
  });

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const fails = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await daemon.docker(...args);
    assert.notEqual(code, 0, `docker ${args.join(' ')} succeeded`);
    return stderr;
  };
  const ping = (from: string, address: string): Promise<Ended> =>
    daemon.docker('exec', from, 'ping', '-c', '1', '-W', '1', address);

  test('a network is made, listed, inspected and removed, with a bridge of its own', async () => {
    const id = await ok('network', 'create', '--label', 'a=b', 'gone');
    const [network] = JSON.parse(await ok('network', 'inspect', 'gone'));
    assert.equal(network.Id, id);
    assert.equal(network.Driver, 'bridge');
    assert.deepEqual(network.Labels, { a: 'b' });
    assert.match(network.IPAM.Config[0].Subnet, /^[\d.]+\.0\/\d+$/);
    assert.equal(existsSync(`/sys/class/net/br-${id.slice(0, 12)}`), true);
    assert.match(await ok('network', 'ls', '--format', '{{.Name}}'), /^gone$/m);
    await ok('network', 'rm', 'gone');
    assert.equal(existsSync(`/sys/class/net/br-${id.slice(0, 12)}`), false);
    assert.match(await fails('network', 'inspect', 'gone'), /network gone not found/);
  });

  test('what cannot be is refused in dockerd words', async () => {
    await ok('network', 'create', '--subnet', '10.237.31.0/24', 'one');
    for (const [words, ...args] of [
      ['network with name one already exists', 'one'],
      ['invalid pool request: Pool overlaps with other one on this address space', '--subnet', '10.237.31.0/25', 'two'],
      ['operation is not permitted on predefined bridge network', 'bridge'],
      ['plugin "foo" not found', '-d', 'foo', 'two'],
      ['invalid subnet 10.92.0.1/33: invalid CIDR block notation', '--subnet', '10.92.0.1/33', 'two'],
      ['invalid subnet 10.92.0.5/24: it should be 10.92.0.0/24', '--subnet', '10.92.0.5/24', 'two'],
      ['only one instance of "host" network is allowed', '-d', 'host', 'two'],
    ] as const) {
      const error = await fails('network', 'create', ...args);
      assert.ok(error.includes(words), error);
    }
    assert.match(await fails('network', 'rm', 'bridge'), /bridge is a pre-defined network and cannot be removed/);
  });

  test('containers of one network reach each other, those of two do not', async () => {
    await ok('network', 'create', '--subnet', '10.237.31.0/24', '--ip-range', '10.237.31.128/25', 'one');
    await ok('network', 'create', 'two');
    await ok(
      'run',
      '-d',
      '--name',
      'ca',
      '--network',
      'one',
      '--ip',
      '10.237.31.50',
      '--network-alias',
      'web',
      'busybox',
      'sleep',
      '1000',
    );
    await ok('run', '-d', '--name', 'cb', '--network', 'one', 'busybox', 'sleep', '1000');
    await ok('run', '-d', '--name', 'cc', '--network', 'two', 'busybox', 'sleep', '1000');
    const [{ NetworkSettings }] = JSON.parse(await ok('inspect', 'ca'));
    assert.equal(NetworkSettings.Networks.one.IPAddress, '10.237.31.50');
    assert.deepEqual(NetworkSettings.Networks.one.Aliases, ['web']);
    assert.deepEqual(NetworkSettings.Networks.one.DNSNames.slice(0, 2), ['ca', 'web']);
    const address = await ok('inspect', 'cb', '-f', '{{.NetworkSettings.Networks.one.IPAddress}}');
    assert.match(address, /^10\.237\.31\.1(2[89]|[3-9]\d)$/);
    assert.equal((await ping('ca', address)).code, 0);
    assert.notEqual((await ping('cc', address)).code, 0);
    assert.match(
      await fails('network', 'rm', 'two'),
      /error while removing network: network two has active endpoints \(name:"cc" id:"[0-9a-f]{12}"\)/,
    );
    assert.match(
      await fails('run', '--rm', '--network', 'one', '--ip', '10.237.31.50', 'busybox', 'true'),
      /Address already in use/,
    );
    assert.match(
      await fails('run', '--rm', '--network', 'one', '--ip', '10.94.0.50', 'busybox', 'true'),
      /no configured subnet or ip-range contain the IP address 10\.94\.0\.50/,
    );
  });

  test('a running container is connected and disconnected', async () => {
    await ok('network', 'create', 'one');
    await ok('network', 'create', 'two');
    await ok('run', '-d', '--name', 'ca', '--network', 'one', 'busybox', 'sleep', '1000');
    await ok('run', '-d', '--name', 'cb', '--network', 'two', 'busybox', 'sleep', '1000');
    await ok('network', 'connect', '--alias', 'other', 'two', 'ca');
    assert.match(await ok('exec', 'ca', 'ip', 'addr', 'show', 'eth1'), /inet /);
    assert.equal((await ping('cb', 'other')).code, 0);
    assert.match(await fails('network', 'connect', 'two', 'ca'), /endpoint with name ca already exists in network two/);
    await ok('network', 'disconnect', 'one', 'ca');
    assert.match(await ok('exec', 'ca', 'ip', 'route'), /^default via \S+ dev eth1/m);
    assert.equal((await ping('cb', 'ca')).code, 0);
    assert.match(await fails('network', 'disconnect', 'one', 'ca'), /is not connected to network one/);
    await ok('restart', '-t', '0', 'ca');
    assert.match(await ok('exec', 'ca', 'ip', 'addr', 'show', 'eth0'), /inet /);
    assert.equal((await ping('cb', 'ca')).code, 0);
  });

  test('an internal network has no way out', async () => {
    await ok('network', 'create', '--internal', 'inner');
    assert.doesNotMatch(await ok('run', '--rm', '--network', 'inner', 'busybox', 'ip', 'route'), /default/);
  });

  test('networks and their endpoints outlive the daemon; a bridge that is missing is made again', async () => {
    const id = await ok('network', 'create', 'one');
    await ok('run', '-d', '--name', 'ca', '--network', 'one', 'busybox', 'sleep', '1000');
    await daemon.end('SIGKILL');
    await daemon.start();
    await ok('run', '--rm', '--network', 'one', 'busybox', 'ping', '-c', '1', '-W', '1', 'ca');
    await ok('rm', '-f', 'ca');
    await daemon.end('SIGTERM');
    const { execute } = await import('../harness/execute.ts');
    await execute('ip', ['link', 'delete', `br-${id.slice(0, 12)}`]);
    await daemon.start();
    assert.equal(existsSync(`/sys/class/net/br-${id.slice(0, 12)}`), true);
    await ok('run', '--rm', '--network', 'one', 'busybox', 'true');
  });

  test('an option of an endpoint that a bridge has no use for is kept and shown, as in dockerd', async () => {
    await ok('network', 'create', 'plain');
    await ok('run', '-d', '--name', 'opt', '--network', 'name=plain,driver-opt=a=b', 'busybox', 'sleep', '1000');
    assert.equal(await ok('inspect', 'opt', '-f', '{{json .NetworkSettings.Networks.plain.DriverOpts}}'), '{"a":"b"}');
    await ok('rm', '-f', 'opt');
  });
});
