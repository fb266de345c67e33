import { randomBytes } from 'node:crypto';
import { invalidParameter, systemError } from '@gantry/errors';
import { netlink } from '@gantry/linux';
import type { Launcher, Step } from '@gantry/runtime';
import { BridgeOption } from './bridge-options.ts';
import type { NetworkRecord } from './face.ts';
import { type HostView, usedSubnets } from './host-view.ts';
import { chooseSubnet, type PoolRange } from './ipam.ts';
import { routeStep, sysctlStep } from './step.ts';
import { addressNumber, addressText, overlaps, parseSubnet, type Subnet, subnetOf, subnetText } from './subnet.ts';

/** A bridge of the host that is up and has its address. */
export type BridgeDevice = {
  readonly name: string;
  readonly index: number;
  readonly subnet: Subnet;
  /** The bridge's own address, which is the containers' gateway. */
  readonly gateway: string;
};

export type BridgeDeviceContext = {
  readonly run: Launcher['run'];
  readonly readView: () => HostView;
  readonly pools: readonly PoolRange[];
  readonly bip: string | undefined;
  readonly ipv6: boolean;
  readonly warn: (message: string, error?: unknown) => void;
};

type Address = { readonly address: string; readonly prefixLength: number };

const ENOENT = 2;

/**
 * Makes the bridge of a network, or takes over the one that is there with the address that it has.
 * A missing one gets the address of the last time when that is still free, else one from the pools.
 */
export async function openBridgeDevice(network: NetworkRecord, context: BridgeDeviceContext): Promise<BridgeDevice> {
  const name = bridgeName(network);
  const view = context.readView();
  const existing = view.links.find(link => link.name === name);
  if (existing && existing.kind !== 'bridge') {
    throw invalidParameter(`existing interface ${name} is not a bridge`, { hint: 'choose another name with --bridge' });
  }
  const current = existing && addressOf(view, existing.index);
  const wanted = chooseAddress(network, view, existing?.index, current, context);
  if (!existing) await context.run([routeStep([netlink.createBridge(name, { macAddress: randomMac() })])]);
  const index = existing?.index ?? linkIndex(context.readView(), name);
  await context.run(deviceSteps(name, index, current, wanted, context.ipv6));
  return {
    name,
    index,
    subnet: subnetOf(addressNumber(wanted.address), wanted.prefixLength),
    gateway: wanted.address,
  };
}

/** The link of a network: as its option says, or made of its id. */
export function bridgeName(network: NetworkRecord): string {
  return network.options[BridgeOption.name] ?? `br-${network.id.slice(0, 12)}`;
}

function chooseAddress(
  network: NetworkRecord,
  view: HostView,
  existingIndex: number | undefined,
  current: Address | undefined,
  context: BridgeDeviceContext,
): Address {
  const isDefault = network.options[BridgeOption.isDefault] === 'true';
  if (isDefault && context.bip !== undefined) return readBip(context.bip);
  const [kept] = network.subnets;
  if (kept && !isDefault) return { address: kept.gateway, prefixLength: parseSubnet(kept.subnet).prefixLength };
  if (current) return current;
  const used = usedSubnets(view, existingIndex);
  const [last] = network.subnets;
  if (last) {
    const subnet = parseSubnet(last.subnet);
    if (!used.some(other => overlaps(other, subnet))) {
      return { address: last.gateway, prefixLength: subnet.prefixLength };
    }
    context.warn(`the subnet ${last.subnet} of network ${network.name} is in use on this host: another one is chosen`);
  }
  const subnet = chooseSubnet(context.pools, used);
  return { address: addressText(subnet.base + 1), prefixLength: subnet.prefixLength };
}

function readBip(bip: string): Address {
  try {
    const subnet = parseSubnet(bip);
    const address = bip.split('/')[0] ?? '';
    const host = addressNumber(address) - subnet.base;
    if (subnet.prefixLength <= 30 && host > 0 && host < 2 ** (32 - subnet.prefixLength) - 1) {
      return { address, prefixLength: subnet.prefixLength };
    }
  } catch (cause) {
    throw invalidParameter(`invalid CIDR address: ${bip}`, { cause, hint: 'write it as --bip 10.1.0.1/24' });
  }
  throw invalidParameter(`${bip} is not the address of a host in a subnet`, { hint: 'write it as --bip 10.1.0.1/24' });
}

function deviceSteps(
  name: string,
  index: number,
  current: Address | undefined,
  wanted: Address,
  ipv6: boolean,
): readonly Step[] {
  const same = current && current.address === wanted.address && current.prefixLength === wanted.prefixLength;
  return [
    ...(ipv6 ? [sysctlStep(`net/ipv6/conf/${name}/accept_ra`, '0', [ENOENT])] : []),
    routeStep([
      ...(current && !same ? [netlink.deleteAddress({ linkIndex: index, ...current })] : []),
      ...(same ? [] : [netlink.addAddress({ linkIndex: index, ...wanted })]),
      netlink.setLink({ index }, { up: true }),
    ]),
  ];
}

function addressOf(view: HostView, linkIndex: number): Address | undefined {
  return view.addresses.find(address => address.linkIndex === linkIndex && !address.address.includes(':'));
}

function linkIndex(view: HostView, name: string): number {
  const link = view.links.find(candidate => candidate.name === name);
  if (!link) throw systemError(`the bridge ${name} vanished right after it was made`);
  return link.index;
}

/** The subnet as network documents show it. */
export function subnetRecord(device: BridgeDevice): NetworkRecord['subnets'][number] {
  return { subnet: subnetText(device.subnet), gateway: device.gateway };
}

/** A random address of the locally administered kind; a bridge without one of its own takes those of its ports in turn. */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes.writeUInt8((bytes.readUInt8(0) & 0xfc) | 2, 0);
  return netlink.formatMac(bytes);
}
