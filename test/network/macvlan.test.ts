import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

describe('macvlan networks', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  /** One end of a pair stands for the host's network card, the other for the network's router. */
  let wire: string;
  let router: string;
  before(async () => {
    daemon = await startDaemon();
    wire = `w${daemon.bridge.slice(-6)}`;
    router = `r${daemon.bridge.slice(-6)}`;
    await ip('link', 'add', wire, 'type', 'veth', 'peer', 'name', router);
    await ip('addr', 'add', '10.237.70.1/24', 'dev', router);
    for (const link of [wire, router]) await ip('link', 'set', link, 'up');
  });
  after(async () => {
    await execute('ip', ['link', 'delete', wire]);
    await daemon?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const names = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (names.length > 0) await daemon.docker('rm', '-f', ...names);
    await daemon.docker('network', 'prune', '-f');
  });

  const ip = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await execute('ip', args);
    assert.equal(code, 0, `ip ${args.join(' ')}: ${stderr}`);
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const create = (name: string, ...args: string[]): Promise<string> =>
    ok('network', 'create', '-d', 'macvlan', '-o', `parent=${wire}`, '--subnet', '10.237.70.0/24', ...args, name);
  const ping = async (from: string, address: string): Promise<boolean> =>
    (await daemon.docker('exec', from, 'ping', '-c', '1', '-W', '1', address)).code === 0;

  test('containers are machines on the wire, and reach its router', async () => {
    await create(
      'lan',
      '--ip-range',
      '10.237.70.64/26',
      '--gateway',
      '10.237.70.1',
      '--aux-address',
      'nas=10.237.70.64',
    );
    await ok('run', '-d', '--name', 'ca', '--network', 'lan', 'busybox', 'sleep', '1000');
    await ok(
      'run',
      '-d',
      '--name',
      'cb',
      '--network',
      'lan',
      '--ip',
      '10.237.70.9',
      '--mac-address',
      '02:00:00:00:70:09',
      'busybox',
      'sleep',
      '1000',
    );
    assert.match(await ok('exec', 'ca', 'ip', 'addr', 'show', 'eth0'), /inet 10\.237\.70\.65\/24/);
    assert.match(await ok('exec', 'ca', 'ip', 'route'), /^default via 10\.237\.70\.1 dev eth0/m);
    assert.equal(await ping('ca', '10.237.70.1'), true);
    assert.equal(await ping('ca', '10.237.70.9'), true);
    assert.equal(await ping('ca', 'cb'), true, 'by name');
    // The links on top of the parent are gone when the container is: a restart has the same addresses.
    for (let round = 0; round < 3; round++) await ok('restart', '-t', '0', 'cb');
    assert.match(await ok('exec', 'cb', 'ip', 'addr', 'show', 'eth0'), /02:00:00:00:70:09[\s\S]*10\.237\.70\.9\/24/);
    assert.equal(await ping('cb', '10.237.70.1'), true);
    const [{ Containers }] = JSON.parse(await ok('network', 'inspect', 'lan'));
    assert.equal(Object.keys(Containers).length, 2);
  });

  test('a running container is connected and disconnected, and the daemon may be killed meanwhile', async () => {
    await create('lan');
    await ok('run', '-d', '--name', 'ca', 'busybox', 'sleep', '1000');
    await ok('network', 'connect', '--ip', '10.237.70.20', 'lan', 'ca');
    assert.equal(await ping('ca', '10.237.70.1'), true);
    await daemon.end('SIGKILL');
    await daemon.start();
    assert.equal(await ping('ca', '10.237.70.1'), true);
    const taken = await daemon.docker('run', '--rm', '--network', 'lan', '--ip', '10.237.70.20', 'busybox', 'true');
    assert.match(taken.stderr, /Address already in use/);
    await ok('network', 'disconnect', 'lan', 'ca');
    assert.equal((await ok('exec', 'ca', 'ip', '-o', 'link')).split('\n').length, 2);
    await ok('run', '--rm', '--network', 'lan', '--ip', '10.237.70.20', 'busybox', 'true');
  });

  test("a network may have several subnets, and a parent that is passed through is one network's", async () => {
    await create('lan', '--subnet', '10.237.71.0/24');
    assert.match(
      await ok('run', '--rm', '--network', 'lan', '--ip', '10.237.71.5', 'busybox', 'ip', 'route'),
      /default via 10\.237\.71\.1/,
    );
    const passed = await daemon.docker(
      'network',
      'create',
      '-d',
      'macvlan',
      '-o',
      `parent=${wire}`,
      '-o',
      'macvlan_mode=passthru',
      'pass',
    );
    assert.match(
      passed.stderr,
      new RegExp(`cannot use mode passthru, macvlan network [0-9a-f]{64} is already using parent interface ${wire}`),
    );
    await ok('network', 'rm', 'lan');
    await create('pass', '-o', 'macvlan_mode=passthru');
    const more = await daemon.docker('network', 'create', '-d', 'macvlan', '-o', `parent=${wire}`, 'lan');
    assert.match(
      more.stderr,
      new RegExp(`macvlan network [0-9a-f]{64} is already using parent interface ${wire} in mode passthru`),
    );
    await ok('run', '--rm', '--network', 'pass', 'busybox', 'ping', '-c', '1', '-W', '1', '10.237.70.1');
  });

  test('an internal network has no way out, one without addresses none of its own', async () => {
    await create('inner', '--internal');
    assert.doesNotMatch(await ok('run', '--rm', '--network', 'inner', 'busybox', 'ip', 'route'), /default/);
    await ok('network', 'rm', 'inner');
    await ok('network', 'create', '-d', 'macvlan', '-o', `parent=${wire}`, '--ipam-driver', 'null', 'bare');
    assert.doesNotMatch(await ok('run', '--rm', '--network', 'bare', 'busybox', 'ip', 'addr', 'show', 'eth0'), /inet /);
  });
});
