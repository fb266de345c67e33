import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

/** Commands that both clients must answer alike: status, output and, but for the program's name, errors. */
const alike: readonly (readonly string[])[] = [
  ['ls'],
  ['ls', '--no-trunc'],
  ['ls', '-q', '-f', 'driver=bridge'],
  [
    'ls',
    '--filter',
    'label=l=m',
    '--format',
    '{{.ID}} {{.Name}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.Scope}}',
  ],
  ['ls', '--format', 'table {{.Name}}\t{{.Driver}}\t{{.IPv6}}\t{{.Internal}}'],
  ['ls', '--format', 'json', '--filter', 'type=custom'],
  ['ls', '--filter', 'dangling=maybe'],
  ['ls', '--filter', 'x=y'],
  ['inspect', 'one', 'bridge'],
  ['inspect', '-f', '{{.Name}} {{json .IPAM}} {{range .IPAM.Config}}{{.Subnet}}{{end}}', 'one'],
  ['inspect', '-v', 'one'],
  ['inspect', 'nope'],
  ['rm', 'nope'],
  ['rm', '-f', 'nope'],
  ['rm', 'bridge'],
  ['connect', 'nope', 'ca'],
  ['connect', 'one', 'nope'],
  ['connect', '--ip', '10.1.1.1', 'one', 'ca'],
  ['connect', '--ip', 'x', 'one', 'ca'],
  ['connect', '--ip6', 'fd00::9', 'one', 'ca'],
  ['connect', '--link-local-ip', '10.1.1.1', 'one', 'ca'],
  ['connect', '--driver-opt', 'com.docker.network.endpoint.sysctls=foo', 'one', 'ca'],
  ['connect', 'host', 'ca'],
  ['connect', 'none', 'ca'],
  ['connect', 'bridge', 'ca'],
  ['disconnect', 'one', 'ca'],
  ['disconnect', '-f', 'one', 'nope'],
  ['disconnect', 'nope', 'ca'],
  ['create', '--gateway', '10.1.1.1', 'two'],
  ['create', '--subnet', '10.237.50.0/24', '--gateway', '10.1.1.1', 'two'],
  ['create', '--subnet', '10.237.50.0/24', '--ip-range', '10.1.1.0/28', 'two'],
  ['create', '--subnet', '10.237.50.0/24', '--ip-range', 'x', 'two'],
  ['create', '--subnet', '10.237.50.0/24', '--aux-address', 'a=10.93.0.1', 'two'],
  ['create', '--subnet', '10.237.50.0/24', '--subnet', '10.237.0.0/16', 'two'],
  ['create', '--subnet', 'x', 'two'],
  ['create', 'one'],
  ['prune', '-f', '--filter', 'x=y'],
  ['prune', '-f', '--filter', 'label=none'],
];

describe('gantry network', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.gantry(...args);
    assert.equal(code, 0, `gantry ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  before(async () => {
    daemon = await startDaemon();
    await ok('network', 'create', '--label', 'l=m', '--subnet', '10.237.51.0/24', 'one');
    await ok('run', '-d', '--name', 'ca', 'busybox', 'sleep', '1000');
  });
  after(async () => {
    await daemon?.gantry('rm', '-f', 'ca');
    await daemon?.gantry('network', 'prune', '-f');
    await daemon?.[Symbol.asyncDispose]();
  });

  for (const args of alike) {
    test(`network ${args.join(' ')}: as the official client has it`, async () => {
      const [ours, theirs] = await Promise.all([daemon.gantry('network', ...args), daemon.docker('network', ...args)]);
      assert.equal(ours.stdout, theirs.stdout);
      // Hints are ours; the line with the exit status is the official client's.
      const errors = ({ stderr }: { stderr: string }): string =>
        stderr
          .replace(/^(hint|Hint): .*\n/gm, '')
          .replace(/^exit status 1\n?/gm, '')
          .trim();
      assert.ok(errors(ours).startsWith(errors(theirs)), `${ours.stderr}\nand\n${theirs.stderr}`);
      assert.equal(ours.code, theirs.code);
    });
  }

  test('networks are made, joined, left and removed', async () => {
    const id = await ok(
      ...['network', 'create', '--ipv6', '--subnet', '10.237.52.0/24,fd52::/64', '--gateway', 'fd52::9'],
      ...['-o', 'com.docker.network.driver.mtu=1400', '--ipam-opt', 'a=b', '--attachable', 'both'],
    );
    assert.match(id, /^[0-9a-f]{64}$/);
    const [network] = JSON.parse(await ok('network', 'inspect', 'both'));
    assert.deepEqual(network.IPAM, {
      Driver: 'default',
      Options: { a: 'b' },
      Config: [{ Subnet: '10.237.52.0/24' }, { Subnet: 'fd52::/64', Gateway: 'fd52::9' }],
    });
    assert.equal(network.Attachable, true);
    await ok('network', 'connect', '--alias', 'x', '--ip', '10.237.52.7', '--ip6', 'fd52::7', 'both', 'ca');
    assert.match(await ok('exec', 'ca', 'ip', 'addr', 'show', 'eth1'), /10\.237\.52\.7[\s\S]*fd52::7/);
    assert.match(
      (await daemon.gantry('network', 'rm', 'both')).stderr,
      /has active endpoints \(name:"ca" id:"[0-9a-f]{12}"\)/,
    );
    await ok('network', 'disconnect', 'both', 'ca');
    assert.equal(await ok('network', 'rm', 'both'), 'both');
  });

  test('prune asks first', async () => {
    await ok('network', 'create', '--label', 'gone', 'unused');
    const args = ['network', 'prune', '--filter', 'label=gone'];
    const asked = await daemon.gantry(...args);
    assert.match(
      asked.stdout,
      /^WARNING! This will remove all custom networks not used by at least one container\.\nAre you sure/,
    );
    assert.equal(await ok('network', 'ls', '-q', '-f', 'name=unused').then(text => text.length), 12);
    assert.equal(await ok(...args, '-f'), 'Deleted Networks:\nunused');
  });
});
