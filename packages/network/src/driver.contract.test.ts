import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOwnNetwork } from '@gantry/linux/testing';
import { BridgeOption } from './bridge-options.ts';
import { type DriverUnderTest, testDriver } from './driver.contract.ts';
import { bridgeDriver } from './drivers/bridge.ts';
import { hostDriver } from './drivers/host.ts';
import { nullDriver } from './drivers/null.ts';
import type { NetworkRecord } from './face.ts';
import { openFirewall } from './firewall/firewall.ts';
import { readHostView } from './host-view.ts';
import { newId } from './id.ts';
import { DEFAULT_POOLS } from './ipam.ts';
import { PortTable } from './ports.ts';
import { runSteps } from './testing/executor.ts';
import { Sandbox } from './testing/sandbox.ts';

const record = (driver: NetworkRecord['driver'], options: NetworkRecord['options'] = {}): NetworkRecord => ({
  id: newId(),
  name: `a-${driver}`,
  driver,
  createdAtMs: 0,
  scope: 'local',
  enableIPv4: true,
  enableIPv6: false,
  internal: false,
  subnets: [],
  options,
  labels: {},
});

const run = async (steps: Parameters<typeof runSteps>[0]): Promise<Map<number, Buffer>> => runSteps(steps);
const warn = (message: string, error?: unknown): void => {
  throw new Error(message, { cause: error });
};

function bridgeUnderTest(icc: 'true' | 'false', mtu: number): DriverUnderTest {
  return {
    driver: bridgeDriver({
      run,
      warn,
      readView: readHostView,
      pools: DEFAULT_POOLS,
      bip: undefined,
      ports: new PortTable({ wildcards: ['0.0.0.0'], range: [32768, 60999], isFree: () => true }),
      firewall: openFirewall({ bridge: 'gantry0', run, warn, closed: new Set() }),
      ipv6: true,
      containerLinkIndex: 2,
      bridgeNetfilter: false,
    }),
    network: record('bridge', {
      [BridgeOption.name]: 'gantry0',
      [BridgeOption.icc]: icc,
      [BridgeOption.mtu]: String(mtu),
    }),
  };
}

inOwnNetwork(import.meta.filename, () => {
  testDriver('host', () => ({ driver: hostDriver(), network: record('host') }));
  testDriver('null', () => ({ driver: nullDriver(), network: record('null') }));
  testDriver('bridge', () => bridgeUnderTest('true', 1500));
  testDriver('bridge without icc', () => bridgeUnderTest('false', 1200));

  for (const icc of ['true', 'false'] as const) {
    test(`with icc ${icc} containers ${icc === 'true' ? 'reach' : 'do not reach'} each other, and the host reaches them`, async () => {
      const { driver, network } = bridgeUnderTest(icc, 1200);
      const opened = await driver.open(network);
      await driver.begin?.();
      using one = await Sandbox.start();
      using two = await Sandbox.start();
      using host = await Sandbox.start(true);
      let address = '';
      for (const sandbox of [one, two]) {
        const { endpoint, parent, child } = await driver.attach(opened, {
          networkId: opened.id,
          containerId: 'c'.repeat(64),
          macAddress: undefined,
          ipv4Address: undefined,
          interfaceName: 'eth0',
          ports: [],
        });
        runSteps(parent, sandbox.pid);
        await sandbox.run(child);
        address = endpoint.ipv4?.address ?? '';
      }
      await two.serve('tcp', 80);
      assert.match(await host.call('tcp', address, 80), /^172/);
      const call = one.call('tcp', address, 80);
      if (icc === 'true') assert.match(await call, /^172/);
      else await assert.rejects(call, /timeout|EHOSTUNREACH/);
      driver.close();
    });
  }
});
