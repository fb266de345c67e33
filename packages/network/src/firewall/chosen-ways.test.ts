import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
import { routeStep } from '../step.ts';
import { runSteps } from '../testing/executor.ts';
import {
  HOST_ADDRESS,
  indexOf,
  NEIGHBOR_ADDRESS,
  openTestStack,
  publish,
  startContainer,
  startNeighbor,
  type TestContainer,
  type TestStack,
} from '../testing/host.ts';
import type { Sandbox } from '../testing/sandbox.ts';

const SOURCE = '192.0.2.9';
const option = (name: string) => `com.docker.network.${name}`;

/** Networks that leave under an address that was chosen, or let a link reach their containers directly. */
inOwnNetwork(import.meta.filename, () => {
  let neighbor: Sandbox;
  let opened: TestStack;
  let web: TestContainer;
  let other: TestContainer;

  before(async () => {
    neighbor = await startNeighbor();
    runSteps([routeStep([netlink.addAddress({ linkIndex: indexOf('wan'), address: SOURCE, prefixLength: 24 })])]);
    opened = await openTestStack();
    const { stack } = opened;
    const plain = { driver: 'bridge', internal: false, subnets: [], labels: {} };
    const options = {
      [option('host_ipv4')]: SOURCE,
      [option('bridge.trusted_host_interfaces')]: 'no-such-link-as-this:nowhere:wan',
    };
    await stack.create({ ...plain, name: 'chosen', options });
    await stack.create({ ...plain, name: 'other', options: {} });
    // One port of the container at two addresses of the host.
    web = await startContainer(stack, [publish(80, 8080), publish(80, 8081, { hostIp: '127.0.0.1' })], 'chosen');
    other = await startContainer(stack, [publish(80, 8082)], 'other');
    for (const { sandbox } of [web, other]) {
      await sandbox.serve('tcp', 80);
      await sandbox.serve('tcp', 81);
    }
    await neighbor.serve('tcp', 7000);
    await neighbor.run(
      [web, other].map(({ address }) =>
        routeStep([netlink.addRoute({ family: 4, destination: { address, prefixLength: 32 }, gateway: HOST_ADDRESS })]),
      ),
    );
  });
  after(() => {
    for (const sandbox of [neighbor, web.sandbox, other.sandbox]) sandbox[Symbol.dispose]();
    assert.deepEqual(opened.warnings, []);
  });

  test('host_ipv4 is the address that containers are seen under outside', async () => {
    assert.equal(await web.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), SOURCE);
    assert.equal(await other.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), HOST_ADDRESS);
  });

  test('a trusted link reaches published ports by the address of the container, and no others', async () => {
    assert.equal(await neighbor.call('tcp', web.address, 80), NEIGHBOR_ADDRESS);
    await assert.rejects(neighbor.call('tcp', web.address, 81));
    await assert.rejects(neighbor.call('tcp', other.address, 80));
    await assert.rejects(other.sandbox.call('tcp', web.address, 80));
  });

  test('it does not when the container has gone, nor when the network has', async () => {
    const { stack } = opened;
    await stack.detach(web.endpoint);
    await assert.rejects(neighbor.call('tcp', web.address, 80));
    await stack.remove('chosen');
    await stack.create({ driver: 'bridge', internal: false, subnets: [], labels: {}, options: {}, name: 'chosen' });
    const again = await startContainer(stack, [], 'chosen');
    assert.equal(await again.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), HOST_ADDRESS);
    again.sandbox[Symbol.dispose]();
  });

  test('an address of the wrong family is refused', async () => {
    const plain = { driver: 'bridge', name: 'wrong', internal: false, subnets: [], labels: {} };
    for (const [key, value] of [
      ['host_ipv4', '::1'],
      ['host_ipv6', '192.0.2.1'],
      ['host_ipv4', 'x'],
    ] as const) {
      await assert.rejects(opened.stack.create({ ...plain, options: { [option(key)]: value } }), {
        message: `failed to parse ${option(key)} value: ${value} (nil ip)`,
      });
    }
  });
});
