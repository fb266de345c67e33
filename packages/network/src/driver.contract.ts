import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachRequest, NetworkDriver } from './driver.ts';
import type { NetworkRecord } from './face.ts';

export type DriverUnderTest = {
  readonly driver: NetworkDriver;
  /** A network of this driver that is not open yet. */
  readonly network: NetworkRecord;
};

/** What every network driver keeps to. */
export function testDriver(name: string, make: () => DriverUnderTest): void {
  const request = (network: NetworkRecord): AttachRequest => ({
    networkId: network.id,
    containerId: 'c'.repeat(64),
    containerName: 'test',
    macAddress: undefined,
    ipv4Address: undefined,
    interfaceName: 'eth0',
    ports: [],
  });

  test(`${name}: opening a network keeps its name, id and options, also a second time`, async () => {
    const { driver, network } = make();
    const opened = await driver.open(network);
    assert.deepEqual({ ...opened, subnets: [] }, { ...network, subnets: [] });
    assert.deepEqual(await driver.open(opened), opened);
    driver.close();
  });

  test(`${name}: an endpoint belongs to its network and container, and has an id of its own`, async () => {
    const { driver, network } = make();
    const opened = await driver.open(network);
    const { endpoint: one } = await driver.attach(opened, request(opened));
    const { endpoint: two } = await driver.attach(opened, request(opened));
    assert.equal(one.networkId, network.id);
    assert.equal(one.networkName, network.name);
    assert.equal(one.containerId, 'c'.repeat(64));
    assert.match(one.id, /^[0-9a-f]{64}$/);
    assert.notEqual(one.id, two.id);
    if (one.ipv4) assert.notEqual(one.ipv4.address, two.ipv4?.address);
    if (one.ipv6) assert.notEqual(one.ipv6.address, two.ipv6?.address);
    for (const { subnet } of opened.subnets) {
      assert.ok(subnet.includes(':') ? one.ipv6 : one.ipv4, `an address in each subnet: ${subnet}`);
    }
    driver.close();
  });

  test(`${name}: an endpoint whose steps never ran is detached like any other, and twice`, async () => {
    const { driver, network } = make();
    const opened = await driver.open(network);
    const { endpoint } = await driver.attach(opened, request(opened));
    await driver.started(opened, endpoint, 0);
    await driver.detach(opened, endpoint);
    await driver.detach(opened, endpoint);
    driver.close();
  });

  test(`${name}: what is adopted is not given to others`, async () => {
    const before = make();
    const opened = await before.driver.open(before.network);
    const { endpoint } = await before.driver.attach(opened, request(opened));
    before.driver.close();
    const { driver } = make();
    await driver.open(opened);
    driver.adopt(opened, endpoint);
    await driver.reconcile();
    await driver.check();
    const { endpoint: next } = await driver.attach(opened, request(opened));
    if (endpoint.ipv4) assert.notEqual(next.ipv4?.address, endpoint.ipv4.address);
    if (endpoint.ipv6) assert.notEqual(next.ipv6?.address, endpoint.ipv6.address);
    driver.close();
  });
}
