import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import type { NetworkStackOptions } from '../face.ts';
import { openNetworkStack } from '../stack.ts';
import { runSteps } from '../testing/executor.ts';
import { inOwnNetwork } from '@gantry/linux/testing';
import { Sandbox } from '../testing/sandbox.ts';

const options = (store: StateStore, changes: Partial<NetworkStackOptions> = {}): NetworkStackOptions => ({
  bridge: 'gantry0',
  bip: undefined,
  iptables: true,
  ipForward: true,
  defaultAddressPools: [],
  store,
  launcher: { run: async steps => runSteps(steps) },
  runDir: '/nonexistent',
  warn: (message, error) => console.error(message, error),
  ...changes,
});

inOwnNetwork(import.meta.filename, () => {
  test('two containers on the default bridge reach each other and the host', async () => {
    using store = new StateStore(':memory:');
    await using stack = await openNetworkStack(options(store));
    const network = stack.get('bridge');
    using one = await Sandbox.start();
    using two = await Sandbox.start();
    const addresses: string[] = [];
    for (const sandbox of [one, two]) {
      const { endpoint, parent, child } = await stack.attach({
        networkId: network.id,
        containerId: 'c'.repeat(64),
        macAddress: undefined,
        ipv4Address: undefined,
        interfaceName: 'eth0',
        ports: [],
      });
      runSteps(parent, sandbox.pid);
      await sandbox.run(child);
      addresses.push(endpoint.ipv4?.address ?? '');
    }
    assert.deepEqual(addresses, ['172.17.0.2', '172.17.0.3']);
    await two.serve('tcp', 80);
    assert.equal(await one.call('tcp', '172.17.0.3', 80), '172.17.0.2');
    using host = await Sandbox.start(true);
    assert.equal(await host.call('tcp', '172.17.0.3', 80), '172.17.0.1');
  });
});
