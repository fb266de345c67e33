import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOwnNetwork } from '../testing/own-network.ts';
import * as netlink from './index.ts';
import { attributeList, parseMessages } from './parse.ts';

test('a message is a header, a structure and attributes, each padded to four bytes', () => {
  const { bytes, marks } = netlink.encode([
    netlink.createVeth('ab', { mtu: 1400 }, { name: 'eth0', namespace: { pidMark: 'pid' } }),
  ]);
  const [message] = parseMessages(bytes);
  assert.equal(message?.type, 16);
  assert.equal(message?.raw.length, bytes.length);
  assert.deepEqual(
    attributeList(message?.payload ?? Buffer.alloc(0), 16).map(([type]) => type),
    [3, 4, 18],
  );
  const at = marks.get('pid') ?? 0;
  assert.equal(Buffer.from(bytes).readUInt16LE(at - 2), 19);
});

test('what is cut short is left out', () => {
  const { bytes } = netlink.encode([netlink.getLink({ name: 'lo' }), netlink.getAddresses()]);
  assert.equal(parseMessages(bytes).length, 2);
  for (let length = 0; length < bytes.length; length++) {
    assert.ok(parseMessages(bytes.subarray(0, length)).length < 2);
  }
});

test('messages can be read by people', () => {
  const { bytes } = netlink.encode([
    netlink.createVeth('ab', { up: true }, { name: 'eth0', namespace: { pidMark: 'pid' } }),
    netlink.addAddress({ linkIndex: 2, address: '10.0.0.2', prefixLength: 16 }),
    netlink.addRoute({ family: 4, gateway: '10.0.0.1' }),
    netlink.deleteLink({ name: 'ab' }),
  ]);
  assert.equal(
    netlink.describeMessages(netlink.NetlinkProtocol.route, bytes),
    'new link ab (veth, up), new address 10.0.0.2/16 on link #2, new route default by 10.0.0.1, delete link',
  );
  assert.equal(
    netlink.describeMessages(netlink.NetlinkProtocol.netfilter, bytes.subarray(0, 20)),
    '0 messages of protocol 12',
  );
});

inOwnNetwork(import.meta.filename, () => {
  test('links, addresses, routes and neighbours are made, listed and removed', () => {
    using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
    const links = (): (netlink.Link | undefined)[] => socket.request([netlink.getLink()]).map(netlink.parseLink);
    socket.request([
      netlink.createBridge('br', { macAddress: '02:00:00:00:00:01' }),
      netlink.createBridge('small', { mtu: 1280 }),
    ]);
    const bridge = links().find(link => link?.name === 'br')?.index ?? 0;
    socket.request([
      netlink.createVeth('host', { master: bridge, up: true }, { name: 'peer', macAddress: '02:00:00:00:00:02' }),
      netlink.withoutLinkLocal({ name: 'host' }),
      netlink.setBridgePort({ name: 'host' }, { isolated: true, hairpin: true }),
      netlink.setLink({ index: bridge }, { up: true }),
      netlink.addAddress({ linkIndex: bridge, address: '192.0.2.1', prefixLength: 24 }),
      netlink.addAddress({ linkIndex: bridge, address: 'fd00::1', prefixLength: 64 }),
      netlink.addRoute({ family: 4, gateway: '192.0.2.254', linkIndex: bridge }),
      netlink.addRoute({
        family: 6,
        destination: { address: 'fd01::', prefixLength: 64 },
        gateway: 'fd00::2',
        linkIndex: bridge,
      }),
      netlink.setNeighbor({ linkIndex: bridge, address: '192.0.2.2', macAddress: '02:00:00:00:00:02' }),
    ]);
    const { index: _, ...host } = links().find(link => link?.name === 'host') ?? {};
    assert.partialDeepStrictEqual(host, { name: 'host', up: true, mtu: 1500, master: bridge, kind: 'veth' });
    assert.equal(links().find(link => link?.name === 'br')?.macAddress, '02:00:00:00:00:01');
    assert.equal(links().find(link => link?.name === 'small')?.mtu, 1280);
    const addresses = socket.request([netlink.getAddresses()]).map(netlink.parseAddress);
    for (const address of [
      { linkIndex: bridge, address: '192.0.2.1', prefixLength: 24 },
      { linkIndex: bridge, address: 'fd00::1', prefixLength: 64 },
    ]) {
      assert.ok(addresses.some(one => JSON.stringify(one) === JSON.stringify(address)));
    }
    const routes = socket.request([netlink.getRoutes()]).map(netlink.parseRoute);
    assert.ok(routes.some(route => route?.gateway === '192.0.2.254' && route.destination === undefined));
    assert.ok(routes.some(route => route?.gateway === 'fd00::2' && route.destination?.address === 'fd01::'));
    socket.request([
      netlink.deleteNeighbor({ linkIndex: bridge, address: '192.0.2.2' }),
      netlink.deleteRoute({ family: 4, gateway: '192.0.2.254', linkIndex: bridge }),
      netlink.deleteAddress({ linkIndex: bridge, address: '192.0.2.1', prefixLength: 24 }),
      netlink.deleteLink({ name: 'host' }),
      netlink.deleteLink({ index: bridge }),
    ]);
    assert.deepEqual(
      links().map(link => link?.name),
      ['lo', 'small'],
    );
  });

  test('the kernel refuses with its errno', async () => {
    using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
    assert.throws(() => socket.request([netlink.deleteLink({ name: 'none' })]), { code: 'ENODEV' });
    await assert.rejects(socket.exchangeInBackground(netlink.encode([netlink.createBridge('lo')]).bytes), {
      code: 'EEXIST',
    });
    assert.equal(socket.request([netlink.getLink({ name: 'lo' })]).length, 1);
  });
});
