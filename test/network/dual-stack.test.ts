import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const SYSCTLS = 'com.docker.network.endpoint.sysctls';
const IFNAME = 'com.docker.network.endpoint.ifname';

describe('networks of both families', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon({
      flags: [
        ...['--ipv6', '--fixed-cidr-v6', 'fd60::/64', '--bip', '10.237.60.1/24', '--fixed-cidr', '10.237.60.128/25'],
        ...['--default-gateway', '10.237.60.9', '--mtu', '1450'],
        ...['--default-network-opt', 'bridge=com.docker.network.container_iface_prefix=net'],
      ],
    });
  });
  after(() => daemon?.[Symbol.asyncDispose]());
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
  const start = (name: string, ...args: string[]): Promise<string> =>
    ok('run', '-d', '--name', name, ...args, 'busybox', 'sleep', '1000');
  const reaches = async (from: string, address: string): Promise<boolean> =>
    (await daemon.docker('exec', from, 'ping', '-c', '1', '-W', '1', address)).code === 0;
  const endpointOf = async (container: string, network: string) =>
    JSON.parse(await ok('inspect', container))[0].NetworkSettings.Networks[network];

  test('the default bridge is as the flags of the daemon say', async () => {
    const [{ IPAM, EnableIPv6, Options }] = JSON.parse(await ok('network', 'inspect', 'bridge'));
    assert.equal(EnableIPv6, true);
    assert.equal(Options['com.docker.network.driver.mtu'], '1450');
    assert.deepEqual(IPAM.Config, [
      {
        Subnet: '10.237.60.0/24',
        IPRange: '10.237.60.128/25',
        Gateway: '10.237.60.1',
        AuxiliaryAddresses: { DefaultGatewayIPv4: '10.237.60.9' },
      },
      { Subnet: 'fd60::/64', Gateway: 'fd60::1' },
    ]);
    const shown = await ok('run', '--rm', 'busybox', 'sh', '-c', 'ip addr show eth0; ip route; ip -6 route');
    assert.match(shown, /mtu 1450/);
    assert.match(shown, /inet 10\.237\.60\.128\/24/);
    assert.match(shown, /inet6 fd60::2\/64/);
    assert.match(shown, /default via 10\.237\.60\.9 dev eth0/);
    assert.match(shown, /default via fd60::1 dev eth0/);
  });

  test('a network without a subnet gets one of each family, its own again after a restart', async () => {
    await ok('network', 'create', '--ipv6', 'both');
    await ok('network', 'create', '--ipv6', 'more');
    const configs = async () => {
      const networks = JSON.parse(await ok('network', 'inspect', 'both', 'more'));
      return networks.flatMap(({ IPAM }: { IPAM: { Config: { Subnet: string; Gateway: string }[] } }) => IPAM.Config);
    };
    const before = await configs();
    const six = before.map(({ Subnet }: { Subnet: string }) => Subnet).filter((subnet: string) => subnet.includes(':'));
    assert.equal(new Set(six).size, 2);
    for (const subnet of six) assert.match(subnet, /^fd[0-9a-f:]+::\/64$/);
    await start('ca', '--network', 'both');
    await start('cb', '--network', 'both');
    await start('cc', '--network', 'more');
    const { GlobalIPv6Address, IPv6Gateway, GlobalIPv6PrefixLen } = await endpointOf('cb', 'both');
    assert.equal(GlobalIPv6PrefixLen, 64);
    assert.match(await ok('exec', 'ca', 'ip', '-6', 'route'), new RegExp(`default via ${IPv6Gateway} dev net0`));
    assert.equal(await reaches('ca', GlobalIPv6Address), true);
    assert.equal(await reaches('ca', IPv6Gateway), true);
    assert.equal(await reaches('cc', GlobalIPv6Address), false, 'networks are apart');
    const [{ Containers }] = JSON.parse(await ok('network', 'inspect', 'more'));
    assert.match(JSON.stringify(Containers), /"IPv6Address":"fd[0-9a-f:]+\/64"/);
    await daemon.end('SIGKILL');
    await daemon.start();
    assert.deepEqual(await configs(), before);
    assert.equal(await reaches('ca', GlobalIPv6Address), true);
    await start('cd', '--network', 'both');
    assert.notEqual((await endpointOf('cd', 'both')).GlobalIPv6Address, GlobalIPv6Address);
  });

  test('a network may have IPv6 alone', async () => {
    await ok('network', 'create', '--ipv4=false', '--ipv6', '--subnet', 'fd61::/64', 'six');
    await start('ca', '--network', 'six', '--ip6', 'fd61::aa');
    await start('cb', '--network', 'six');
    const shown = await ok('exec', 'cb', 'ip', 'addr', 'show', 'net0');
    assert.doesNotMatch(shown, /inet 1/);
    assert.match(shown, /inet6 fd61::2\/64/);
    assert.equal(await reaches('cb', 'fd61::aa'), true);
    assert.deepEqual((await endpointOf('ca', 'six')).IPAMConfig, { IPv6Address: 'fd61::aa' });
    assert.match(
      await fails('run', '--rm', '--network', 'six', '--ip6', 'fd61::aa', 'busybox', 'true'),
      /Address already in use/,
    );
  });

  test('default routes lead through the network with the highest priority of each family, and move', async () => {
    await ok('network', 'create', '--subnet', '10.237.62.0/24', 'four');
    await ok('network', 'create', '--ipv6', '--subnet', '10.237.63.0/24', '--subnet', 'fd63::/64', 'full');
    await start('ca', '--network', 'name=four,gw-priority=5', '--network', 'full');
    const routes = async (): Promise<string> => ok('exec', 'ca', 'sh', '-c', 'ip route; ip -6 route');
    assert.match(await routes(), /default via 10\.237\.62\.1 [\s\S]*default via fd63::1 /);
    await ok('network', 'create', '--ipv6', '--subnet', '10.237.64.0/24', '--subnet', 'fd64::/64', 'best');
    await ok('network', 'connect', '--gw-priority', '9', 'best', 'ca');
    assert.match(await routes(), /default via 10\.237\.64\.1 [\s\S]*default via fd64::1 /);
    await ok('network', 'disconnect', 'best', 'ca');
    assert.match(await routes(), /default via 10\.237\.62\.1 [\s\S]*default via fd63::1 /);
    await ok('network', 'disconnect', 'four', 'ca');
    assert.match(await routes(), /default via 10\.237\.63\.1 [\s\S]*default via fd63::1 /);
    assert.equal((await routes()).match(/default/g)?.length, 2);
  });

  test('an endpoint has the name, MAC, link-local addresses and kernel settings that are asked for', async () => {
    await ok('network', 'create', '--ipv6', '--subnet', '10.237.65.0/24', '--subnet', 'fd65::/64', 'full');
    const settings = `${SYSCTLS}=net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.hop_limit=70`;
    const shown = await ok(
      ...[
        'run',
        '--rm',
        '--network',
        `name=full,mac-address=02:11:22:33:44:55,"driver-opt=${settings}",driver-opt=${IFNAME}=lan,ip=10.237.65.7,ip6=fd65::7,link-local-ip=169.254.7.7,link-local-ip=fe80::77`,
      ],
      ...[
        'busybox',
        'sh',
        '-c',
        'ip addr show lan; cat /proc/sys/net/ipv4/conf/lan/log_martians /proc/sys/net/ipv6/conf/lan/hop_limit',
      ],
    );
    for (const word of [
      '02:11:22:33:44:55',
      '10.237.65.7/24',
      'fd65::7/64',
      '169.254.7.7/16',
      'fe80::77/64',
      '\n1\n70',
    ]) {
      assert.ok(shown.includes(word), `${word} in ${shown}`);
    }
    await start('ca');
    await ok(
      'network',
      'connect',
      '--driver-opt',
      `${SYSCTLS}=net.ipv4.conf.IFNAME.log_martians=1`,
      '--link-local-ip',
      'fe80::99',
      'full',
      'ca',
    );
    assert.match(
      await ok('exec', 'ca', 'sh', '-c', 'ip addr show net0; cat /proc/sys/net/ipv4/conf/net0/log_martians'),
      /fe80::99\/64[\s\S]*\n1$/,
    );
  });

  test('what an endpoint cannot have is refused, and leaves nothing', async () => {
    await ok('network', 'create', '--subnet', '10.237.66.0/24', 'four');
    await start('ca');
    for (const [option, words] of [
      [`${IFNAME}=eth0`, /error renaming interface .*to "eth0": file exists/],
      [`${IFNAME}=a/b`, /error renaming interface .*to "a\/b": invalid argument/],
      [`${IFNAME}=a234567890123456`, /numerical result out of range/],
      [`${SYSCTLS}=net.ipv4.conf.IFNAME.nope=1`, /\/proc\/sys\/net\/ipv4\/conf\/net0\/nope is not a sysctl file/],
      [`${SYSCTLS}=kernel.x=1`, /unrecognised network interface sysctl 'kernel\.x=1'/],
    ] as const) {
      assert.match(await fails('network', 'connect', '--driver-opt', option, 'four', 'ca'), words);
      if (option.startsWith(SYSCTLS)) {
        assert.match(
          await fails('run', '--rm', '--network', `name=four,driver-opt=${option}`, 'busybox', 'true'),
          words,
        );
      }
    }
    assert.deepEqual(Object.keys(JSON.parse(await ok('network', 'inspect', 'four'))[0].Containers), []);
    assert.equal((await ok('exec', 'ca', 'ip', '-o', 'link')).split('\n').length, 2);
    await ok('network', 'connect', 'four', 'ca');
  });
});
