import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkIndex, netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
import { BridgeOption } from './bridge-options.ts';
import { type DriverUnderTest, testDriver } from './driver.contract.ts';
import type { NetworkDriver } from './driver.ts';
import { bridgeDriver } from './drivers/bridge.ts';
import { hostDriver } from './drivers/host.ts';
import { macvlanDriver } from './drivers/macvlan.ts';
import { nullDriver } from './drivers/null.ts';
import type { Endpoint, NetworkRecord } from './face.ts';
import { openFirewall } from './firewall/firewall.ts';
import { readHostView } from './host-view.ts';
import { newId } from './id.ts';
import { DEFAULT_POOLS } from './ipam.ts';
import { PortTable } from './ports.ts';
import { routeStep } from './step.ts';
import { runSteps } from './testing/executor.ts';
import { Sandbox } from './testing/sandbox.ts';

const FOUR = { subnet: '172.30.0.0/16', gateway: '172.30.0.1' };
const SIX = { subnet: 'fd30::/64', gateway: 'fd30::1' };

const record = (
  driver: NetworkRecord['driver'],
  options: NetworkRecord['options'] = {},
  subnets: NetworkRecord['subnets'] = [],
): NetworkRecord => ({
  id: newId(),
  name: `a-${driver}`,
  driver,
  createdAtMs: 0,
  scope: 'local',
  enableIPv4: subnets.includes(FOUR),
  enableIPv6: subnets.includes(SIX),
  internal: false,
  subnets,
  options,
  labels: {},
});

const run = async (steps: Parameters<typeof runSteps>[0]): Promise<Map<number, Buffer>> => runSteps(steps);
const warn = (message: string, error?: unknown): void => {
  throw new Error(message, { cause: error });
};

function bridgeUnderTest(
  icc: 'true' | 'false',
  mtu: number,
  subnets: NetworkRecord['subnets'] = [FOUR],
): DriverUnderTest {
  return {
    driver: bridgeDriver({
      run,
      warn,
      readView: readHostView,
      pools: DEFAULT_POOLS,
      bip: undefined,
      defaultBridge: {},
      forwardIPv6: async () => {},
      ports: new PortTable({ wildcards: ['0.0.0.0'], range: [32768, 60999], isFree: () => true }),
      firewall: openFirewall({ bridge: 'gantry0', run, warn, closed: new Set() }),
      ipv6: true,
      containerLinkIndex: 2,
      bridgeNetfilter: false,
    }),
    network: record(
      'bridge',
      { [BridgeOption.name]: 'gantry0', [BridgeOption.icc]: icc, [BridgeOption.mtu]: String(mtu) },
      subnets,
    ),
  };
}

/** A macvlan on one end of a veth pair, since the kernel may have no dummy links. */
function macvlanUnderTest(mode: string): DriverUnderTest {
  const [wire, end] = [`wire-${mode}`, `end-${mode}`];
  if (linkIndex(wire) === undefined) {
    runSteps([routeStep([netlink.createVeth(wire, { up: true }, { name: end })])]);
    runSteps([routeStep([netlink.setLink({ name: end }, { up: true })])]);
  }
  return {
    driver: macvlanDriver({ run, readView: readHostView, linkIndex, ipv6: true, containerLinkIndex: 2 }),
    network: record('macvlan', { parent: wire, macvlan_mode: mode }, [FOUR, SIX]),
  };
}

/** Starts containers on a network. */
async function startOn(driver: NetworkDriver, network: NetworkRecord, sandbox: Sandbox): Promise<Endpoint> {
  const { endpoint, parent, child } = await driver.attach(network, {
    networkId: network.id,
    containerId: 'c'.repeat(64),
    macAddress: undefined,
    ipv4Address: undefined,
    interfaceName: 'eth0',
    ports: [],
  });
  runSteps(parent, sandbox.pid);
  await sandbox.run(child);
  return endpoint;
}

inOwnNetwork(import.meta.filename, () => {
  testDriver('host', () => ({ driver: hostDriver(), network: record('host') }));
  testDriver('null', () => ({ driver: nullDriver(), network: record('null') }));
  testDriver('bridge', () => bridgeUnderTest('true', 1500));
  testDriver('bridge without icc', () => bridgeUnderTest('false', 1200));
  testDriver('bridge of both families', () => bridgeUnderTest('true', 1500, [FOUR, SIX]));
  testDriver('bridge of IPv6 alone', () => bridgeUnderTest('true', 1500, [SIX]));
  testDriver('macvlan', () => macvlanUnderTest('bridge'));

  for (const icc of ['true', 'false'] as const) {
    test(`with icc ${icc} containers ${icc === 'true' ? 'reach' : 'do not reach'} each other, and the host reaches them`, async () => {
      const { driver, network } = bridgeUnderTest(icc, 1200);
      const opened = await driver.open(network);
      await driver.begin?.();
      using one = await Sandbox.start();
      using two = await Sandbox.start();
      using host = await Sandbox.start(true);
      await startOn(driver, opened, one);
      const address = (await startOn(driver, opened, two)).ipv4?.address ?? '';
      await two.serve('tcp', 80);
      assert.match(await host.call('tcp', address, 80), /^172/);
      const call = one.call('tcp', address, 80);
      if (icc === 'true') assert.match(await call, /^172/);
      else await assert.rejects(call, /timeout|EHOSTUNREACH/);
      driver.close();
    });
  }

  for (const [mode, reach] of [
    ['bridge', true],
    ['private', false],
    ['vepa', false],
  ] as const) {
    test(`macvlan in mode ${mode}: containers ${reach ? 'reach' : 'do not reach'} each other, by both families`, async () => {
      const { driver, network } = macvlanUnderTest(mode);
      const opened = await driver.open(network);
      using one = await Sandbox.start();
      using two = await Sandbox.start();
      await startOn(driver, opened, one);
      const { ipv4, ipv6, macAddress } = await startOn(driver, opened, two);
      assert.match(macAddress, /^02:42:/);
      for (const address of [ipv4?.address ?? '', ipv6?.address ?? '']) {
        await two.serve('tcp', 80, address);
        const call = one.call('tcp', address, 80);
        if (reach) assert.match(await call, /^(172\.30|fd30:)/);
        else await assert.rejects(call, /timeout|EHOSTUNREACH/);
      }
      await driver.remove?.(opened);
      assert.notEqual(linkIndex(`wire-${mode}`), undefined, 'a parent of the user stays');
    });
  }

  test('a passed-through link has the address of its parent', async () => {
    const { driver, network } = macvlanUnderTest('passthru');
    const opened = await driver.open(network);
    using one = await Sandbox.start();
    const { macAddress, ipv4 } = await startOn(driver, opened, one);
    assert.equal(macAddress, '');
    assert.equal(ipv4?.address, '172.30.0.2');
  });
});
