import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

const BRIDGE = 'com.docker.network.bridge';
const MTU = 'com.docker.network.driver.mtu';
const body = (more: object, ...config: object[]): object => ({ Name: 'x', IPAM: { Config: config }, ...more });
const FOUR = { Subnet: '10.237.40.0/24' };

describe('what a network may be', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await daemon.docker('network', 'prune', '-f');
  });

  const create = (request: object) => daemon.api('POST', '/v1.51/networks/create', request);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const inspect = async (name: string) => JSON.parse(await ok('network', 'inspect', name))[0];
  const bridgeOf = async (name: string): Promise<string> => `br-${(await inspect(name)).Id.slice(0, 12)}`;

  test('what cannot be is refused in the words and with the status of dockerd 28.5', async () => {
    for (const [request, status, words] of [
      [
        body({}, { ...FOUR, Gateway: '10.93.0.1' }),
        400,
        "invalid network config:\ninvalid gateway 10.93.0.1: parent subnet 10.237.40.0/24 doesn't contain this address",
      ],
      [body({}, { ...FOUR, Gateway: 'x' }), 400, 'invalid network config:\ninvalid gateway x: invalid address'],
      [
        body({}, { ...FOUR, Gateway: 'fd00::1' }),
        400,
        'invalid network config:\ninvalid gateway fd00::1: parent subnet is an IPv4 block',
      ],
      [
        body({}, { ...FOUR, IPRange: '10.93.0.0/25' }),
        400,
        "invalid network config:\ninvalid ip-range 10.93.0.0/25: parent subnet 10.237.40.0/24 doesn't contain ip-range",
      ],
      [
        body({}, { ...FOUR, IPRange: '10.237.40.0/23' }),
        400,
        'invalid network config:\ninvalid ip-range 10.237.40.0/23: CIDR block is bigger than its parent subnet 10.237.40.0/24',
      ],
      [
        body({}, { ...FOUR, IPRange: '10.237.40.5/25' }),
        400,
        'invalid network config:\ninvalid ip-range 10.237.40.5/25: it should be 10.237.40.0/25',
      ],
      [
        body({}, { ...FOUR, IPRange: 'zz' }),
        400,
        'invalid network config:\ninvalid ip-range zz: invalid CIDR block notation',
      ],
      [
        body({}, { ...FOUR, AuxiliaryAddresses: { a: 'x' } }),
        400,
        'invalid network config:\ninvalid auxiliary address a: invalid address',
      ],
      [
        body({}, { ...FOUR, AuxiliaryAddresses: { a: '10.237.40.1' } }),
        500,
        'failed to allocate secondary ip address (a:10.237.40.1): Address already in use',
      ],
      [
        body({}, { ...FOUR, Gateway: '10.237.40.255' }),
        500,
        'failed to allocate gateway (10.237.40.255): Address already in use',
      ],
      [body({}, FOUR, { Subnet: '10.237.41.0/24' }), 403, "bridge driver doesn't support multiple subnets"],
      [
        body({}, FOUR, { Subnet: '10.237.40.0/25' }),
        403,
        'invalid pool request: Pool overlaps with other one on this address space',
      ],
      [
        body({}, { Gateway: '10.237.40.1' }),
        400,
        'invalid network config:\ninvalid subnet : invalid CIDR block notation',
      ],
      [
        body({ EnableIPv6: true }, { Subnet: 'fd92::1/64' }),
        400,
        'invalid network config:\ninvalid subnet fd92::1/64: it should be fd92::/64',
      ],
      [body({ EnableIPv4: false }), 400, 'IPv4 or IPv6 must be enabled'],
      [
        body({ Options: { [MTU]: 'abc' } }),
        400,
        `failed to parse ${MTU} value: abc (strconv.Atoi: parsing "abc": invalid syntax)`,
      ],
      [body({ Options: { [MTU]: '-1' } }), 400, 'invalid MTU number: -1'],
      [body({ Options: { [MTU]: '67' } }), 500, 'invalid argument'],
      [
        body({ Options: { [`${BRIDGE}.enable_icc`]: 'x' } }),
        400,
        `failed to parse ${BRIDGE}.enable_icc value: x (strconv.ParseBool: parsing "x": invalid syntax)`,
      ],
      [
        body({ Options: { [`${BRIDGE}.inhibit_ipv4`]: 'x' } }),
        400,
        `failed to parse ${BRIDGE}.inhibit_ipv4 value: x (strconv.ParseBool: parsing "x": invalid syntax)`,
      ],
      [
        body({ Options: { [`${BRIDGE}.host_binding_ipv4`]: 'x' } }),
        400,
        `failed to parse ${BRIDGE}.host_binding_ipv4 value: x (nil ip)`,
      ],
      [
        body({ Options: { [`${BRIDGE}.gateway_mode_ipv4`]: 'nope' } }),
        400,
        `failed to parse ${BRIDGE}.gateway_mode_ipv4 value: nope (unknown gateway mode nope)`,
      ],
      [
        body({ Options: { [`${BRIDGE}.gateway_mode_ipv4`]: 'isolated' } }),
        500,
        "gateway mode 'isolated' can only be used for an internal network",
      ],
      [body({ Options: { [`${BRIDGE}.name`]: 'lo' } }), 500, 'existing interface lo is not a bridge'],
      [
        body({ Options: { 'com.docker.network.enable_ipv6': 'x' } }),
        400,
        'driver-opt "com.docker.network.enable_ipv6" is not a valid bool',
      ],
      [body({ Scope: 'swarm' }), 403, 'cannot create a swarm scoped network when swarm is not active'],
      [body({ Ingress: true }), 403, 'Ingress network can only be global scope network'],
      [
        body({ ConfigOnly: true, Internal: true }),
        403,
        'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
      ],
      [
        body({ ConfigOnly: true, ConfigFrom: { Network: 'y' } }),
        403,
        'a configuration network cannot depend on another configuration network',
      ],
      [body({ ConfigFrom: { Network: 'bridge' } }), 404, 'configuration network "bridge" does not exist'],
      [{ Name: 'x', IPAM: { Driver: 'null' } }, 400, 'ipv4 pool is empty'],
      [{ Name: 'x', IPAM: { Driver: 'foo' } }, 404, 'plugin "foo" not found'],
      [
        body({ Driver: 'overlay' }),
        403,
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
      ],
      [body({ Driver: 'default' }), 404, 'plugin "default" not found'],
      [
        body({ Driver: 'macvlan', Options: { parent: 'lo' } }),
        500,
        'loopback interface is not a valid macvlan parent link',
      ],
      [
        body({ Driver: 'macvlan', Options: { parent: 'nope0' } }),
        500,
        'invalid subinterface vlan name nope0, example formatting is eth0.10',
      ],
      [
        body({ Driver: 'macvlan', Options: { parent: 'nope.10' } }),
        500,
        '-o parent interface was not found on the host: nope',
      ],
      [
        body({ Driver: 'macvlan', Options: { parent: 'lo.5000' } }),
        500,
        'vlan id must be between 1-4094, received: 5000',
      ],
      [
        body({ Driver: 'macvlan', Options: { parent: 'lo.1.2' } }),
        500,
        'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received lo.1.2',
      ],
      [
        body({ Driver: 'macvlan', Options: { macvlan_mode: 'nope' } }),
        500,
        "requested macvlan mode 'nope' is not valid, 'bridge' mode is the macvlan driver default",
      ],
      [
        body({ Driver: 'ipvlan', Options: { ipvlan_mode: 'nope' } }),
        500,
        "requested ipvlan mode 'nope' is not valid, 'l2' mode is the ipvlan driver default",
      ],
      [
        body({ Driver: 'ipvlan', Options: { ipvlan_flag: 'nope' } }),
        500,
        "requested ipvlan flag 'nope' is not valid, 'bridge' is the ipvlan driver default",
      ],
    ] as const) {
      const answer = await create(request);
      assert.deepEqual([answer.status, JSON.parse(answer.body).message], [status, words], JSON.stringify(request));
    }
    assert.deepEqual(JSON.parse((await daemon.api('GET', '/networks?filters={"type":["custom"]}')).body), []);
  });

  test('a subnet, a range, a gateway and addresses of others are kept, and given out accordingly', async () => {
    const args = ['--subnet', '10.237.40.0/24', '--ip-range', '10.237.40.128/30', '--gateway', '10.237.40.254'];
    await ok('network', 'create', ...args, '--aux-address', 'printer=10.237.40.129', '--ipam-opt', 'a=b', 'ranged');
    const { IPAM } = await inspect('ranged');
    assert.deepEqual(IPAM, {
      Driver: 'default',
      Options: { a: 'b' },
      Config: [
        {
          Subnet: '10.237.40.0/24',
          IPRange: '10.237.40.128/30',
          Gateway: '10.237.40.254',
          AuxiliaryAddresses: { printer: '10.237.40.129' },
        },
      ],
    });
    const address = async (): Promise<string> => {
      const text = await ok('run', '--rm', '--network', 'ranged', 'busybox', 'ip', 'route');
      assert.match(text, /default via 10\.237\.40\.254/);
      return /src (\S+)/.exec(text)?.[1] ?? '';
    };
    // An address rests until the others were given.
    assert.deepEqual(
      [await address(), await address(), await address(), await address()],
      ['10.237.40.128', '10.237.40.130', '10.237.40.131', '10.237.40.128'],
    );
    await ok('run', '-d', '--name', 'ca', '--network', 'ranged', 'busybox', 'sleep', '1000');
    await ok('run', '-d', '--name', 'cb', '--network', 'ranged', 'busybox', 'sleep', '1000');
    await daemon.end('SIGKILL');
    await daemon.start();
    await ok('run', '-d', '--name', 'cc', '--network', 'ranged', 'busybox', 'sleep', '1000');
    const full = await daemon.docker('run', '--rm', '--network', 'ranged', 'busybox', 'true');
    assert.match(full.stderr, /no available IPv4 addresses on this network's address pools: ranged \([0-9a-f]{64}\)/);
    await ok('rm', '-f', 'ca', 'cb', 'cc');
  });

  test("MTU, prefix of the interfaces, and the bridge's own name are as asked for", async () => {
    const name = `${daemon.bridge}x`;
    await ok(
      'network',
      'create',
      '-o',
      `${MTU}=1300`,
      '-o',
      `${BRIDGE}.name=${name}`,
      '-o',
      'com.docker.network.container_iface_prefix=net',
      'named',
    );
    assert.equal(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8').trim(), '1300');
    assert.match(await ok('run', '--rm', '--network', 'named', 'busybox', 'ip', 'link'), /net0@\S+ .* mtu 1300/);
    const again = await daemon.docker('network', 'create', '-o', `${BRIDGE}.name=${name}`, 'other');
    assert.match(
      again.stderr,
      new RegExp(`conflicts with network [0-9a-f]{64} \\(${name}\\): networks have same bridge name`),
    );
    await ok('network', 'rm', 'named');
    assert.equal(existsSync(`/sys/class/net/${name}`), false);
  });

  test('a bridge of the user stays when its network goes', async () => {
    const name = `${daemon.bridge}y`;
    await execute('ip', ['link', 'add', name, 'type', 'bridge']);
    try {
      await ok('network', 'create', '-o', `${BRIDGE}.name=${name}`, '--subnet', '10.237.42.0/24', 'theirs');
      assert.match(await ok('run', '--rm', '--network', 'theirs', 'busybox', 'ip', 'route'), /via 10\.237\.42\.1/);
      await ok('network', 'rm', 'theirs');
      assert.equal(existsSync(`/sys/class/net/${name}`), true);
      const other = await daemon.docker(
        'network',
        'create',
        '-o',
        `${BRIDGE}.name=${name}`,
        '--subnet',
        '10.237.43.0/24',
        'theirs',
      );
      assert.match(
        other.stderr,
        /bridge IPv4 \(10\.237\.42\.1\) does not match requested configuration 10\.237\.43\.1/,
      );
    } finally {
      await execute('ip', ['link', 'delete', name]);
    }
  });

  test('inhibit_ipv4 and isolated leave the bridge without an address', async () => {
    const addresses = async (network: string): Promise<string> =>
      (await execute('ip', ['-4', 'addr', 'show', await bridgeOf(network)])).stdout;
    await ok('network', 'create', '-o', `${BRIDGE}.inhibit_ipv4=true`, '--subnet', '10.237.44.0/24', 'inhibited');
    assert.doesNotMatch(await addresses('inhibited'), /inet /);
    assert.match(
      await ok('run', '--rm', '--network', 'inhibited', 'busybox', 'ip', 'route'),
      /default via 10\.237\.44\.1/,
    );
    await ok('network', 'create', '--internal', '-o', `${BRIDGE}.gateway_mode_ipv4=isolated`, 'isolated');
    assert.doesNotMatch(await addresses('isolated'), /inet /);
    assert.deepEqual(Object.keys((await inspect('isolated')).IPAM.Config[0]), ['Subnet']);
    // Without a gateway the first address is a container's.
    assert.match(await ok('run', '--rm', '--network', 'isolated', 'busybox', 'ip', 'addr'), /inet [\d.]+\.1\//);
  });

  test('networks are made from a configuration, which stays while they are there', async () => {
    await ok(
      'network',
      'create',
      '--config-only',
      '--subnet',
      '10.237.45.0/24',
      '--label',
      'l=m',
      '-o',
      `${MTU}=1400`,
      'plan',
    );
    const plan = await inspect('plan');
    assert.deepEqual([plan.ConfigOnly, plan.Driver, plan.Labels], [true, 'null', { l: 'm' }]);
    await ok('network', 'create', '--config-from', 'plan', 'built');
    const built = await inspect('built');
    assert.deepEqual(built.ConfigFrom, { Network: 'plan' });
    assert.deepEqual(
      [built.Driver, built.IPAM.Config[0].Subnet, built.Options, built.Labels],
      ['bridge', '10.237.45.0/24', { [MTU]: '1400' }, { l: 'm' }],
    );
    assert.match(await ok('run', '--rm', '--network', 'built', 'busybox', 'ip', 'link'), /mtu 1400/);
    assert.match((await daemon.docker('network', 'rm', 'plan')).stderr, /configuration network "plan" is in use/);
    assert.match(
      (await daemon.docker('run', '--rm', '--network', 'plan', 'busybox', 'true')).stderr,
      /daemon: failed to set up container networking: cannot create endpoint on configuration-only network/,
    );
    assert.match(
      (await daemon.docker('network', 'create', '--config-from', 'plan', '--subnet', '10.237.46.0/24', 'more')).stderr,
      /user specified configurations are not supported if the network depends on a configuration network/,
    );
    assert.match(
      (await daemon.docker('network', 'create', '--config-from', 'plan', '--opt', 'a=b', 'more')).stderr,
      /network driver options are not supported if the network depends on a configuration network/,
    );
    await ok('network', 'rm', 'built', 'plan');
  });

  test('of two mistakes the one that dockerd names is named', async () => {
    await ok('network', 'create', 'taken');
    const refusals: readonly [string[], RegExp][] = [
      [['network', 'create', '--driver', 'nosuch', 'taken'], /network with name taken already exists/],
      [
        ['network', 'create', '--config-from', 'nosuch', '--subnet', '10.237.46.0/24', 'more'],
        /user specified configurations are not supported/,
      ],
      [['network', 'connect', 'nosuch', 'nobody'], /No such container: nobody/],
      [['network', 'disconnect', 'nosuch', 'nobody'], /No such container: nobody/],
      [['network', 'disconnect', '-f', 'nosuch', 'nobody'], /network nosuch not found/],
      [['network', 'ls', '--filter', 'dangling=maybe'], /invalid value for filter 'dangling', must be "true"/],
      [['network', 'create', '--subnet', '10.237.47.0/24', 'four'], /^$/],
      [['create', '--network', 'four', '--ip6', 'fd00::1', 'busybox', 'true'], /networks with user configured subnets/],
      [['network', 'rm', 'four'], /^$/],
    ];
    for (const [args, words] of refusals) assert.match((await daemon.docker(...args)).stderr, words);
    await ok('network', 'rm', 'taken');
  });

  test('a subnet that the host has a route into is made, with a warning', async () => {
    const { IPAM } = await inspect('bridge');
    const [{ Subnet }] = IPAM.Config;
    const bridge = await daemon.docker('network', 'create', '--subnet', Subnet, 'over');
    assert.match(bridge.stderr, /Pool overlaps with other one/);
    const answer = await create(body({ Name: 'over' }, { Subnet: '127.9.0.0/24' }));
    assert.equal(answer.status, 201);
    assert.match(JSON.parse(answer.body).Warning, /the subnet 127\.9\.0\.0\/24 overlaps 127\.0\.0\.0\/8/);
  });
});
