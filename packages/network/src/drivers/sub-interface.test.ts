/** ipvlan, VLANs and dummy parents: on kernels that have them (test/vm has one). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { linkIndex, netlink } from '@gantry/linux';
import { inOwnNetwork } from '@gantry/linux/testing';
import { testDriver } from '../driver.contract.ts';
import type { NetworkDriver } from '../driver.ts';
import type { Endpoint, NetworkRecord } from '../face.ts';
import { readHostView } from '../host-view.ts';
import { newId } from '../id.ts';
import { routeStep } from '../step.ts';
import { runSteps } from '../testing/executor.ts';
import { Sandbox } from '../testing/sandbox.ts';
import { ipvlanDriver } from './ipvlan.ts';
import { macvlanDriver } from './macvlan.ts';

const context = {
  run: async (steps: Parameters<typeof runSteps>[0]) => runSteps(steps),
  readView: readHostView,
  linkIndex,
  ipv6: true,
  containerLinkIndex: 2,
};

const record = (driver: 'macvlan' | 'ipvlan', options: NetworkRecord['options'], gateways = true): NetworkRecord => ({
  id: newId(),
  name: `a-${driver}`,
  driver,
  createdAtMs: 0,
  scope: 'local',
  enableIPv4: true,
  enableIPv6: true,
  internal: options.parent === undefined,
  subnets: [
    { subnet: '10.30.0.0/24', gateway: gateways ? '10.30.0.1' : '' },
    { subnet: 'fd30::/64', gateway: gateways ? 'fd30::1' : '' },
  ],
  options,
  labels: {},
});

/** Whether this kernel makes links of a kind. */
function has(kind: string): boolean {
  try {
    execFileSync(
      'unshare',
      [
        '-n',
        'sh',
        '-c',
        `ip link add probe0 type veth peer name probe1 && ip link add link probe0 name probe2 type ${kind}`,
      ],
      { stdio: 'ignore' },
    );
    return true;
  } catch {
    return false;
  }
}

function wire(name: string): string {
  if (linkIndex(name) === undefined) {
    runSteps([routeStep([netlink.createVeth(name, { up: true }, { name: `${name}-end` })])]);
    runSteps([routeStep([netlink.setLink({ name: `${name}-end` }, { up: true })])]);
  }
  return name;
}

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

/** Two containers of a network call each other by both families. */
async function callEachOther(driver: NetworkDriver, network: NetworkRecord): Promise<void> {
  const opened = await driver.open(network);
  using one = await Sandbox.start();
  using two = await Sandbox.start();
  await startOn(driver, opened, one);
  const { ipv4, ipv6 } = await startOn(driver, opened, two);
  for (const address of [ipv4?.address ?? '', ipv6?.address ?? '']) {
    await two.serve('tcp', 80, address);
    assert.match(await one.call('tcp', address, 80), /^(10\.30|fd30:)/);
  }
  await driver.remove?.(opened);
}

const lacks = (...kinds: string[]): string | false => {
  const missing = kinds.filter(kind => !has(kind));
  return missing.length > 0 && `this kernel lacks ${missing.join(' and ')} links`;
};
const noIpvlan = process.getuid?.() === 0 ? lacks('ipvlan') : 'needs root';
const noDummy = process.getuid?.() === 0 ? lacks('dummy') : 'needs root';
const noVlan = process.getuid?.() === 0 ? lacks('vlan id 10') : 'needs root';

if (noIpvlan) test('ipvlan', { skip: noIpvlan }, () => {});
if (noDummy) test('networks without a parent', { skip: noDummy }, () => {});
if (noVlan) test('VLANs', { skip: noVlan }, () => {});

inOwnNetwork(import.meta.filename, () => {
  if (!noIpvlan) {
    testDriver('ipvlan', () => ({
      driver: ipvlanDriver(context),
      network: record('ipvlan', { parent: wire('contract') }),
    }));
    for (const mode of ['l2', 'l3', 'l3s']) {
      test(`ipvlan in mode ${mode}: containers reach each other, by both families, behind one MAC address`, async () => {
        const network = record('ipvlan', { parent: wire(`w-${mode}`), ipvlan_mode: mode }, mode === 'l2');
        await callEachOther(ipvlanDriver(context), network);
      });
    }

    test('where nobody is the gateway, everything is sent into the link', async () => {
      const network = record('ipvlan', { parent: wire('w-out'), ipvlan_mode: 'l3' }, false);
      const driver = ipvlanDriver(context);
      const opened = await driver.open(network);
      using one = await Sandbox.start();
      await startOn(driver, opened, one);
      const routes = execFileSync('nsenter', ['-t', String(one.pid), '-n', 'ip', 'route'], { encoding: 'utf8' });
      assert.match(routes, /^default dev eth0/m);
    });
  }

  if (!noDummy) {
    test('a network without a parent has one of its own, which goes with it', async () => {
      const network = record('macvlan', {});
      await callEachOther(macvlanDriver(context), network);
      assert.equal(linkIndex(`dm-${network.id.slice(0, 12)}`), undefined);
    });
  }

  if (!noVlan) {
    test('a VLAN is made for the first network that names it, and goes with the last', async () => {
      const driver = macvlanDriver(context);
      const parent = `${wire('w-vlan')}.10`;
      const one = await driver.open(record('macvlan', { parent }));
      assert.notEqual(linkIndex(parent), undefined);
      assert.equal(one.madeLink, true);
      const two = await driver.open({ ...record('macvlan', { parent }), subnets: [] });
      await driver.remove?.(one);
      assert.notEqual(linkIndex(parent), undefined);
      await driver.remove?.(two);
      assert.equal(linkIndex(parent), undefined);
      assert.notEqual(linkIndex('w-vlan'), undefined);
    });
  }
});
