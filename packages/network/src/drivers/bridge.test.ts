import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
import { routeStep } from '../step.ts';
import {
  HOST_ADDRESS,
  NEIGHBOR_ADDRESS,
  openTestStack,
  publish,
  startContainer,
  startNeighbor,
  type TestContainer,
  type TestStack,
} from '../testing/host.ts';
import { Sandbox } from '../testing/sandbox.ts';

inOwnNetwork(import.meta.filename, () => {
  let neighbor: Sandbox;
  let host: Sandbox;
  let opened: TestStack;
  let web: TestContainer;
  let other: TestContainer;
  const wide = publish(80, 8080);
  const onOneAddress = publish(80, 8081, { hostIp: HOST_ADDRESS });
  const onLoopback = publish(80, 8082, { hostIp: '127.0.0.1' });
  const udp = publish(53, 5353, { protocol: 'udp' });

  before(async () => {
    neighbor = await startNeighbor();
    host = await Sandbox.start(true);
    opened = await openTestStack();
    web = await startContainer(opened.stack, [wide, onOneAddress, onLoopback, udp]);
    other = await startContainer(opened.stack);
    await web.sandbox.serve('tcp', 80);
    await web.sandbox.serve('tcp', 81);
    await web.sandbox.serve('udp', 53);
    await neighbor.serve('tcp', 7000);
    await host.serve('tcp', 7001);
  });
  after(() => {
    for (const sandbox of [neighbor, host, web.sandbox, other.sandbox]) sandbox[Symbol.dispose]();
    assert.deepEqual(opened.warnings, []);
  });

  test('the first containers have the first addresses of the first free subnet', () => {
    assert.deepEqual([web.address, other.address], ['172.17.0.2', '172.17.0.3']);
    assert.equal(web.endpoint.macAddress, '02:42:ac:11:00:02');
  });

  test('containers of one bridge reach each other by their addresses', async () => {
    assert.equal(await other.sandbox.call('tcp', web.address, 81), other.address);
  });

  test('a container reaches the outside under the address of the host', async () => {
    assert.equal(await other.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), HOST_ADDRESS);
  });

  test('a container reaches the host', async () => {
    assert.equal(await other.sandbox.call('tcp', HOST_ADDRESS, 7001), other.address);
  });

  test('a published port is reached from outside, and the container sees who calls', async () => {
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8080), NEIGHBOR_ADDRESS);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8081), NEIGHBOR_ADDRESS);
    assert.equal(await neighbor.call('udp', HOST_ADDRESS, 5353), NEIGHBOR_ADDRESS);
  });

  test('a published port is reached from the host, by every address and by 127.0.0.1', async () => {
    assert.equal(await host.call('tcp', HOST_ADDRESS, 8080), HOST_ADDRESS);
    assert.equal(await host.call('tcp', HOST_ADDRESS, 8081), HOST_ADDRESS);
    assert.equal(await host.call('tcp', '127.0.0.1', 8080), '172.17.0.1');
    assert.equal(await host.call('tcp', '127.0.0.1', 8082), '172.17.0.1');
    assert.equal(await host.call('udp', '127.0.0.1', 5353), '172.17.0.1');
  });

  test('a published port is reached from containers, its own among them, by the address of the host', async () => {
    assert.equal(await other.sandbox.call('tcp', HOST_ADDRESS, 8080), '172.17.0.1');
    assert.equal(await other.sandbox.call('tcp', '172.17.0.1', 8080), '172.17.0.1');
    assert.equal(await web.sandbox.call('tcp', HOST_ADDRESS, 8080), '172.17.0.1');
    assert.equal(await web.sandbox.call('udp', HOST_ADDRESS, 5353), '172.17.0.1');
  });

  test('a port published on loopback is not reached from outside', async () => {
    await assert.rejects(neighbor.call('tcp', HOST_ADDRESS, 8082), /ECONNREFUSED/);
  });

  test('a neighbour with a route to the bridge reaches nothing that is not published, and loopback not either', async () => {
    await neighbor.run([
      routeStep([
        netlink.addRoute({
          family: 4,
          destination: { address: '172.17.0.0', prefixLength: 16 },
          gateway: HOST_ADDRESS,
        }),
        netlink.deleteAddress({ linkIndex: 1, address: '127.0.0.1', prefixLength: 8 }),
        netlink.addRoute({
          family: 4,
          destination: { address: '127.0.0.0', prefixLength: 8 },
          gateway: HOST_ADDRESS,
          preferredSource: NEIGHBOR_ADDRESS,
        }),
      ]),
    ]);
    await Promise.all([
      assert.rejects(neighbor.call('tcp', web.address, 81), /timeout/),
      assert.rejects(neighbor.call('tcp', web.address, 80), /timeout/),
      assert.rejects(neighbor.call('tcp', '127.0.0.1', 8082), /timeout|EINVAL|ENETUNREACH/),
    ]);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8080), NEIGHBOR_ADDRESS);
  });

  test('the ports of a container that was detached are free for another', async () => {
    const first = await startContainer(opened.stack, [publish(80, 9000)]);
    await assert.rejects(
      opened.stack.attach({
        networkId: opened.stack.get('bridge').id,
        containerId: 'd'.repeat(64),
        containerName: 'second',
        macAddress: undefined,
        ipv4Address: undefined,
        interfaceName: 'eth0',
        ports: [publish(80, 9000)],
      }),
      {
        kind: 'system',
        message:
          /^failed to set up container networking: driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:9000 failed: port is already allocated$/,
      },
    );
    first.sandbox[Symbol.dispose]();
    const leaving = opened.stack.detach(first.endpoint);
    const second = await startContainer(opened.stack, [publish(80, 9000)]);
    await leaving;
    await second.sandbox.serve('tcp', 80);
    assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 9000), NEIGHBOR_ADDRESS);
    await opened.stack.detach(second.endpoint);
    second.sandbox[Symbol.dispose]();
    await assert.rejects(neighbor.call('tcp', HOST_ADDRESS, 9000), /ECONNREFUSED/);
  });

  test('a UDP client that never falls silent reaches the next container on the port', async () => {
    const address = { ...publish(53, 6000), protocol: 'udp' } as const;
    // Before there is any container.
    await assert.rejects(neighbor.call('udp', HOST_ADDRESS, 6000, 40000), /timeout|ECONNREFUSED/);
    for (let i = 0; i < 2; i++) {
      const container = await startContainer(opened.stack, [address]);
      using _ = container.sandbox;
      await container.sandbox.serve('udp', 53);
      await opened.stack.started(container.endpoint, container.sandbox.pid);
      assert.equal(await neighbor.call('udp', HOST_ADDRESS, 6000, 40000), NEIGHBOR_ADDRESS);
      await opened.stack.detach(container.endpoint);
    }
  });
});
