import { randomBytes } from 'node:crypto';
import { invalidParameter, systemError } from '@gantry/errors';
import { linkIndex, netlink } from '@gantry/linux';
import type { Launcher } from '@gantry/runtime';
import { BridgeOption } from './bridge-options.ts';
import { defaultBridgeSubnets } from './default-bridge.ts';
import type { DefaultBridgeOptions, NetworkRecord } from './face.ts';
import type { HostView } from './host-view.ts';
import type { PoolRange } from './ipam.ts';
import { isOn, mtuOf } from './network-options.ts';
import { parsePrefix, prefixesOverlap, prefixOf } from './prefix.ts';
import { routeStep, sysctlStep } from './step.ts';
import { parseSubnet, type Subnet } from './subnet.ts';

/** A bridge of the host that is up and has its addresses. */
export type BridgeDevice = {
  readonly name: string;
  readonly index: number;
  readonly subnets: NetworkRecord['subnets'];
  /** Absent where the network has no IPv4. */
  readonly subnet?: Subnet;
  /** As `fd00:1::/64`; absent where the network has no IPv6. */
  readonly subnet6?: string;
};

export type BridgeDeviceContext = {
  readonly run: Launcher['run'];
  readonly readView: () => HostView;
  readonly pools: readonly PoolRange[];
  readonly bip: string | undefined;
  readonly defaultBridge: DefaultBridgeOptions;
  readonly ipv6: boolean;
  readonly warn: (message: string, error?: unknown) => void;
};

type Address = { readonly address: string; readonly prefixLength: number };

const ENOENT = 2;

/**
 * Makes the bridge of a network, or takes over the one that is there; the default bridge with the address that it has.
 * @throws invalidParameter (the link is no bridge; a flag of the default bridge), system (a borrowed bridge has another address)
 */
export async function openBridgeDevice(network: NetworkRecord, context: BridgeDeviceContext): Promise<BridgeDevice> {
  const name = bridgeName(network);
  const view = context.readView();
  const existing = view.links.find(link => link.name === name);
  if (existing && existing.kind !== 'bridge') {
    throw systemError(`existing interface ${name} is not a bridge`, { hint: 'choose another name with --bridge' });
  }
  const subnets = isDefault(network)
    ? defaultBridgeSubnets(network, {
        ...context,
        view,
        settings: context.defaultBridge,
        existingIndex: existing?.index,
      })
    : network.subnets;
  if (subnets.some(({ subnet }) => subnet.includes(':')) && !context.ipv6) {
    throw invalidParameter(`network ${network.name} has IPv6, and this kernel has not`, { hint: 'leave out --ipv6' });
  }
  const current = existing ? view.addresses.filter(({ linkIndex }) => linkIndex === existing.index) : [];
  const wanted = wantedAddresses(network, subnets);
  if (network.borrowedLink) refuseOtherAddress(current, wanted);
  const mtu =
    network.options[BridgeOption.mtu] === undefined || isDefault(network) ? {} : { mtu: mtuOf(network.options) };
  if (!existing) await context.run([routeStep([netlink.createBridge(name, { macAddress: randomMac(), ...mtu })])]);
  const index = existing?.index ?? linkIndex(name);
  if (index === undefined) throw systemError(`the bridge ${name} vanished right after it was made`);
  await context.run(deviceSteps(name, index, current, wanted, network, context.ipv6));
  const [four, six] = [subnets.find(isFour), subnets.find(one => !isFour(one))];
  return {
    name,
    index,
    subnets,
    ...(four ? { subnet: parseSubnet(four.subnet) } : {}),
    ...(six ? { subnet6: six.subnet } : {}),
  };
}

/** The link of a network: as its option says, or made of its id. */
export function bridgeName(network: NetworkRecord): string {
  return network.options[BridgeOption.name] || `br-${network.id.slice(0, 12)}`;
}

export function isDefault(network: NetworkRecord): boolean {
  return network.name === 'bridge' && network.options[BridgeOption.isDefault] === 'true';
}

const isFour = ({ subnet }: { readonly subnet: string }): boolean => !subnet.includes(':');

/** The bridge's own addresses: it is the gateway, unless an option says that another machine is. */
function wantedAddresses(network: NetworkRecord, subnets: NetworkRecord['subnets']): Address[] {
  const withoutFour = isOn(network.options[BridgeOption.inhibitIPv4], false);
  return subnets
    .filter(one => one.gateway !== '' && !(withoutFour && isFour(one)))
    .map(({ subnet, gateway }) => ({ address: gateway, prefixLength: parsePrefix(subnet).length }));
}

function refuseOtherAddress(current: readonly Address[], wanted: readonly Address[]): void {
  const has = current.filter(({ address }) => !address.includes(':'));
  const asked = wanted.find(({ address }) => !address.includes(':'));
  const [first] = has;
  if (!asked || !first || has.some(({ address }) => address === asked.address)) return;
  throw systemError(`bridge IPv4 (${first.address}) does not match requested configuration ${asked.address}`, {
    hint: `give --subnet and --gateway as the bridge has them, or another bridge`,
  });
}

function deviceSteps(
  name: string,
  index: number,
  current: readonly Address[],
  wanted: readonly Address[],
  network: NetworkRecord,
  ipv6: boolean,
) {
  const has = (list: readonly Address[], one: Address): boolean =>
    list.some(({ address, prefixLength }) => address === one.address && prefixLength === one.prefixLength);
  const hasFour = wanted.some(one => !one.address.includes(':') && has(current, one));
  // An own bridge may have the address of an earlier network; of IPv6 a link may have several.
  const surplus = network.borrowedLink
    ? []
    : current.filter(one => {
        if (has(wanted, one)) return false;
        return one.address.includes(':') ? wanted.some(want => sameSubnet(want, one)) : !hasFour;
      });
  const six = wanted.some(({ address }) => address.includes(':'));
  return [
    ...(ipv6 ? [sysctlStep(`net/ipv6/conf/${name}/accept_ra`, '0', [ENOENT])] : []),
    ...(ipv6 && six ? [sysctlStep(`net/ipv6/conf/${name}/disable_ipv6`, '0', [ENOENT])] : []),
    routeStep([
      ...surplus.map(one => netlink.deleteAddress({ linkIndex: index, ...one })),
      ...wanted.filter(one => !has(current, one)).map(one => netlink.addAddress({ linkIndex: index, ...one })),
      netlink.setLink({ index }, { up: true }),
    ]),
  ];
}

function sameSubnet(a: Address, b: Address): boolean {
  return prefixesOverlap(prefixOf(a.address, a.prefixLength), prefixOf(b.address, b.prefixLength));
}

/** A random address of the locally administered kind; a bridge without one of its own takes those of its ports in turn. */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes.writeUInt8((bytes.readUInt8(0) & 0xfc) | 2, 0);
  return netlink.formatMac(bytes);
}
