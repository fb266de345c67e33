import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
import { StateStore } from '@gantry/store';
import { routeStep } from './step.ts';
import { runSteps } from './testing/executor.ts';
import { HOST_ADDRESS, openTestStack, publish, startContainer, startNeighbor } from './testing/host.ts';
import { Sandbox } from './testing/sandbox.ts';

const dropBridge = (): unknown => runSteps([routeStep([netlink.deleteLink({ name: 'gantry0' })])]);
const listTable = (): string => execFileSync('nft', ['list', 'table', 'inet', 'gantry'], { encoding: 'utf8' });

inOwnNetwork(import.meta.filename, () => {
  test('the default networks keep their ids and subnet over restarts, and are found by name, id and prefix', async () => {
    using store = new StateStore(':memory:');
    const first = await openTestStack({ store });
    const networks = first.stack.list();
    assert.deepEqual(
      networks.map(({ name, driver }) => [name, driver]),
      [
        ['bridge', 'bridge'],
        ['host', 'host'],
        ['none', 'null'],
      ],
    );
    const bridge = first.stack.get('bridge');
    assert.deepEqual(bridge.subnets, [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }]);
    assert.deepEqual(bridge.options, {
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': 'true',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
      'com.docker.network.bridge.name': 'gantry0',
      'com.docker.network.driver.mtu': '1500',
    });
    assert.equal(first.stack.get(bridge.id), bridge);
    assert.equal(first.stack.get(bridge.id.slice(0, 12)), bridge);
    assert.throws(() => first.stack.get('nope'), { kind: 'notFound', message: 'network nope not found' });
    await first.stack[Symbol.asyncDispose]();

    dropBridge();
    const second = await openTestStack({ store });
    assert.deepEqual(second.stack.list(), networks);
    await second.stack[Symbol.asyncDispose]();
    dropBridge();
  });

  test('--bip is the address of the bridge, also of one that had another', async () => {
    const first = await openTestStack({ bip: '10.9.0.1/24' });
    assert.deepEqual(first.stack.get('bridge').subnets, [{ subnet: '10.9.0.0/24', gateway: '10.9.0.1' }]);
    await first.stack[Symbol.asyncDispose]();
    const second = await openTestStack({ bip: '10.10.0.5/24' });
    assert.deepEqual(second.stack.get('bridge').subnets, [{ subnet: '10.10.0.0/24', gateway: '10.10.0.5' }]);
    await second.stack[Symbol.asyncDispose]();
    const third = await openTestStack();
    assert.equal(third.stack.get('bridge').subnets[0]?.gateway, '10.10.0.5');
    await third.stack[Symbol.asyncDispose]();
    dropBridge();
    for (const bip of ['10.9.0.0/24', '10.9.0.255/24', 'ten', '10.9.0.1']) {
      await assert.rejects(openTestStack({ bip }), { kind: 'invalidParameter' });
    }
  });

  test('without a bridge there is no bridge network', async () => {
    await using opened = (await openTestStack({ bridge: 'none' })).stack;
    assert.deepEqual(
      opened.list().map(network => network.name),
      ['host', 'none'],
    );
  });

  test('a link that is no bridge is refused', async () => {
    await assert.rejects(openTestStack({ bridge: 'lo' }), { message: 'existing interface lo is not a bridge' });
  });

  test('a container that ran on is adopted with address and ports; what nobody owns is removed', async () => {
    using store = new StateStore(':memory:');
    using neighbor = await startNeighbor();
    const first = await openTestStack({ store });
    const kept = await startContainer(first.stack, [publish(80, 8080)]);
    const lost = await startContainer(first.stack, [publish(80, 8081)]);
    using _ = kept.sandbox;
    using __ = lost.sandbox;
    await kept.sandbox.serve('tcp', 80);
    await first.stack[Symbol.asyncDispose]();

    const { stack, warnings } = await openTestStack({ store });
    assert.match(listTable(), /8081/);
    stack.adopt(kept.endpoint);
    await stack.reconcile();
    assert.doesNotMatch(listTable(), /8081/);
    assert.match(await neighbor.call('tcp', HOST_ADDRESS, 8080), /^192/);
    assert.deepEqual(stack.endpoints(stack.get('bridge').id), [kept.endpoint]);
    const links = execFileSync('ip', ['-br', 'link'], { encoding: 'utf8' });
    assert.equal(links.match(/^gntry/gm)?.length, 1);
    const next = await startContainer(stack, [publish(80, 8081)]);
    next.sandbox[Symbol.dispose]();
    assert.notEqual(next.address, kept.address);
    assert.deepEqual(warnings, []);
    await stack[Symbol.asyncDispose]();
    dropBridge();
  });

  test('without rules nothing is written to nf_tables, and the shim relays every port', async () => {
    execFileSync('nft', ['flush', 'ruleset']);
    const { stack } = await openTestStack({ iptables: false });
    const { prepare, parent } = await stack.attach({
      networkId: stack.get('bridge').id,
      containerId: 'c'.repeat(64),
      macAddress: '02:00:00:00:00:07',
      ipv4Address: '172.17.0.9',
      interfaceName: 'eth0',
      ports: [publish(80, 8080)],
    });
    assert.deepEqual(
      prepare.map(step => step.op === 'hostSocket' && [step.address, step.bothFamilies, step.port, step.relayTo]),
      [['::', true, 8080, { address: '172.17.0.9', port: 80 }]],
    );
    assert.equal(parent.length, 1);
    assert.equal(execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }), '');
    await stack[Symbol.asyncDispose]();
    dropBridge();
  });

  test('a removal that fails at once frees the port and the address all the same', async () => {
    let broken = false;
    const { stack, warnings } = await openTestStack({
      launcher: {
        run: steps => {
          if (broken) throw new Error('no launcher');
          return Promise.resolve(runSteps(steps));
        },
      },
    });
    const request = {
      networkId: stack.get('bridge').id,
      containerId: 'c'.repeat(64),
      macAddress: undefined,
      ipv4Address: '172.17.0.9',
      interfaceName: 'eth0',
      ports: [publish(80, 8080)],
    };
    const { endpoint } = await stack.attach(request);
    broken = true;
    await stack.detach(endpoint);
    broken = false;
    assert.match(warnings.splice(0).join(), /removing endpoint \w+ from network bridge: Error: no launcher/);
    await stack.detach((await stack.attach(request)).endpoint);
    assert.deepEqual(warnings, []);
    await stack[Symbol.asyncDispose]();
    dropBridge();
  });

  test('a bridge takes 1023 containers, and the next one is told', async () => {
    const { stack } = await openTestStack();
    const request = {
      networkId: stack.get('bridge').id,
      containerId: 'c'.repeat(64),
      macAddress: undefined,
      ipv4Address: undefined,
      interfaceName: 'eth0',
      ports: [],
    };
    for (let i = 0; i < 1023; i++) await stack.attach(request);
    await assert.rejects(stack.attach(request), {
      kind: 'unavailable',
      message: 'network bridge is full: a bridge has at most 1023 containers',
    });
    await stack[Symbol.asyncDispose]();
    dropBridge();
  });

  test('on none a container has its loopback and nothing else; on host nothing is made', async () => {
    await using stack = (await openTestStack({ bridge: 'none' })).stack;
    const request = {
      containerId: 'c'.repeat(64),
      macAddress: undefined,
      ipv4Address: undefined,
      interfaceName: 'eth0',
      ports: [publish(80, 8080)],
    };
    const host = await stack.attach({ ...request, networkId: stack.get('host').id });
    assert.deepEqual([host.prepare, host.parent, host.child, host.endpoint.ports], [[], [], [], []]);
    const none = await stack.attach({ ...request, networkId: stack.get('none').id });
    using sandbox = await Sandbox.start();
    await sandbox.run(none.child);
    await sandbox.serve('tcp', 80, '127.0.0.1');
    assert.equal(await sandbox.call('tcp', '127.0.0.1', 80), '127.0.0.1');
    await stack.detach(none.endpoint);
    assert.deepEqual(stack.endpoints(stack.get('none').id), []);
  });
});
