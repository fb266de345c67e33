import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { datagramFrame, netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
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

/**
 * What a neighbour or a container puts on the wire by itself, with whatever addresses it likes, and what arrives. Frames on
 * one way keep their order: when one that may pass has come, those before it would have come too.
 */
inOwnNetwork(import.meta.filename, () => {
  let neighbor: Sandbox;
  let host: Sandbox;
  let opened: TestStack;
  let web: TestContainer;
  let beside: TestContainer;
  let mute: TestContainer;
  let deaf: TestContainer;
  let inner: TestContainer;
  const macs = new Map<Sandbox, string>();

  before(async () => {
    neighbor = await startNeighbor();
    host = await Sandbox.start(true);
    opened = await openTestStack();
    const { stack } = opened;
    const plain = { driver: 'bridge', internal: false, subnets: [], options: {}, labels: {} };
    await stack.create({ ...plain, name: 'other' });
    await stack.create({
      ...plain,
      name: 'quiet',
      options: { 'com.docker.network.bridge.enable_icc': 'false' },
    });
    await stack.create({ ...plain, name: 'inner', internal: true });
    const udp = { protocol: 'udp' } as const;
    web = await startContainer(stack, [publish(53, 5353, udp), publish(54, 5454, { ...udp, hostIp: '127.0.0.1' })]);
    beside = await startContainer(stack, [], 'other');
    mute = await startContainer(stack, [], 'quiet');
    deaf = await startContainer(stack, [], 'quiet');
    inner = await startContainer(stack, [], 'inner');
    for (const { sandbox } of [web, beside, mute, deaf, inner]) macs.set(sandbox, await sandbox.watch('eth0'));
    macs.set(neighbor, await neighbor.watch('lan'));
  });
  after(() => {
    for (const sandbox of [neighbor, host, ...[web, beside, mute, deaf, inner].map(({ sandbox }) => sandbox)]) {
      sandbox[Symbol.dispose]();
    }
    assert.deepEqual(opened.warnings, []);
  });

  const macOf = (link: string): string => {
    using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
    return socket.request([netlink.getLink({ name: link })]).map(netlink.parseLink)[0]?.macAddress ?? '';
  };
  const bridgeMac = (network: string): string =>
    macOf(network === 'bridge' ? 'gantry0' : `br-${opened.stack.get(network).id.slice(0, 12)}`);

  const send = (from: Sandbox, toMac: string, source: string, to: string, toPort: number, text: string) =>
    from.sendFrame(
      datagramFrame({ fromMac: macs.get(from) ?? '', toMac, from: source, fromPort: 4000, to, toPort, text }),
    );
  /** Sends by way of the host. */
  const sendIn = (source: string, to: string, port: number, text: string) =>
    send(neighbor, macOf('wan'), source, to, port, text);

  test('a neighbour on the wire reaches published ports, and nothing else of a container, whoever it says it is', async () => {
    await sendIn(NEIGHBOR_ADDRESS, web.address, 99, '#unpublished');
    await sendIn(NEIGHBOR_ADDRESS, web.address, 53, '#published-but-direct');
    await sendIn(beside.address, web.address, 53, '#from-another-network');
    await sendIn('172.17.0.1', web.address, 99, '#from-the-gateway');
    await sendIn('127.0.0.1', web.address, 53, '#from-loopback');
    await sendIn('127.0.0.1', HOST_ADDRESS, 5353, '#from-loopback-to-published');
    await sendIn(NEIGHBOR_ADDRESS, '127.0.0.1', 5454, '#to-loopback');
    await sendIn(NEIGHBOR_ADDRESS, HOST_ADDRESS, 5454, '#published-on-loopback');
    await sendIn(NEIGHBOR_ADDRESS, HOST_ADDRESS, 5353, '#published');
    assert.deepEqual(await web.sandbox.seen('#published'), ['#published']);
  });

  test('a container reaches no container of another network, but its published ports', async () => {
    const gateway = bridgeMac('other');
    await send(beside.sandbox, gateway, beside.address, web.address, 99, '#unpublished-beside');
    await send(beside.sandbox, gateway, beside.address, web.address, 53, '#direct-beside');
    await send(beside.sandbox, gateway, '172.17.0.1', web.address, 99, '#spoofed-beside');
    await send(beside.sandbox, gateway, beside.address, '127.0.0.1', 5454, '#to-loopback-beside');
    await send(beside.sandbox, gateway, beside.address, HOST_ADDRESS, 5353, '#published-beside');
    assert.deepEqual(await web.sandbox.seen('#published-beside'), ['#published', '#published-beside']);
  });

  test('without icc not even a frame to the other MAC address arrives; the host is reached', async () => {
    const address = macs.get(deaf.sandbox) ?? '';
    await send(mute.sandbox, address, mute.address, deaf.address, 99, '#frame');
    await send(mute.sandbox, 'ff:ff:ff:ff:ff:ff', mute.address, deaf.address, 99, '#broadcast');
    await send(mute.sandbox, bridgeMac('quiet'), mute.address, deaf.address, 99, '#by-the-gateway');
    await host.sendTo(deaf.address, 99, '#from-the-host');
    assert.deepEqual(await deaf.sandbox.seen('#from-the-host'), ['#from-the-host']);
  });

  test('nothing leaves an internal network, and nothing comes in', async () => {
    const gateway = bridgeMac('inner');
    await send(inner.sandbox, gateway, inner.address, NEIGHBOR_ADDRESS, 99, '#out');
    await send(inner.sandbox, gateway, inner.address, web.address, 53, '#to-another-network');
    await send(inner.sandbox, gateway, HOST_ADDRESS, NEIGHBOR_ADDRESS, 99, '#out-as-the-host');
    await host.sendTo(NEIGHBOR_ADDRESS, 99, '#host-out');
    assert.deepEqual(await neighbor.seen('#host-out').then(ofOthers), ['#host-out']);
    await sendIn(NEIGHBOR_ADDRESS, inner.address, 99, '#in');
    await host.sendTo(inner.address, 99, '#host-in');
    assert.deepEqual(await inner.sandbox.seen('#host-in').then(ofOthers), ['#host-in']);
    assert.ok(!(await web.sandbox.seen('#published')).includes('#to-another-network'));
  });
});

/** Of what was seen on a link, what its own side did not send. */
const ofOthers = (words: readonly string[]): string[] =>
  words.filter(word => word.startsWith('#host') || word === '#in');
