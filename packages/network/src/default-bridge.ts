import { invalidParameter } from '@gantry/errors';
import { BridgeOption } from './bridge-options.ts';
import { DefaultGateway } from './endpoint-addresses.ts';
import type { DefaultBridgeOptions, NetworkRecord } from './face.ts';
import { type HostView, usedSubnets } from './host-view.ts';
import { chooseSubnet, type PoolRange } from './ipam.ts';
import {
  addressAt,
  addressBits,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixOf,
  prefixSize,
  prefixText,
} from './prefix.ts';

export type DefaultBridgeContext = {
  readonly view: HostView;
  readonly pools: readonly PoolRange[];
  /** `10.1.0.1/24` */
  readonly bip: string | undefined;
  readonly settings: DefaultBridgeOptions;
  /** The bridge that is there already. */
  readonly existingIndex: number | undefined;
  readonly warn: (message: string, error?: unknown) => void;
};

type SubnetRecord = NetworkRecord['subnets'][number];
type Address = { readonly address: string; readonly prefixLength: number };

/**
 * The subnets of the default bridge: as the flags say, or the addresses that a bridge has which is there, or those of the
 * last time when they are still free, or some from the pools.
 * @throws invalidParameter (a flag), unavailable (pools exhausted)
 */
export function defaultBridgeSubnets(network: NetworkRecord, context: DefaultBridgeContext): SubnetRecord[] {
  const { settings } = context;
  const records = [withFlags(chooseFour(network, context), settings.fixedCidr, settings.defaultGateway, 4)];
  if (settings.ipv6) {
    records.push(withFlags(chooseSix(network, context), settings.fixedCidr6, settings.defaultGateway6, 6));
  }
  return records;
}

function chooseFour(network: NetworkRecord, context: DefaultBridgeContext): Address {
  const { bip, settings } = context;
  if (bip !== undefined) return readBip(bip, 4);
  const current = addressOn(context, 4);
  if (current) return current;
  if (settings.fixedCidr !== undefined && network.subnets.length === 0) {
    return firstHost(readCidr(settings.fixedCidr, 4));
  }
  return (
    kept(network, context, 4) ??
    firstHost(chooseSubnet(4, context.pools, usedSubnets(context.view, context.existingIndex)))
  );
}

function chooseSix(network: NetworkRecord, context: DefaultBridgeContext): Address {
  const { settings } = context;
  if (settings.bip6 !== undefined) return readBip(settings.bip6, 6);
  if (settings.fixedCidr6 !== undefined) return firstHost(readCidr(settings.fixedCidr6, 6));
  const current = addressOn(context, 6);
  if (current) return current;
  return (
    kept(network, context, 6) ??
    firstHost(chooseSubnet(6, context.pools, usedSubnets(context.view, context.existingIndex)))
  );
}

function firstHost(subnet: Prefix): Address {
  return { address: addressAt(subnet, 1n), prefixLength: subnet.length };
}

/** The address that an existing bridge has; of IPv6 one that is no link-local one. */
function addressOn({ view, existingIndex }: DefaultBridgeContext, family: 4 | 6): Address | undefined {
  return view.addresses.find(
    ({ linkIndex, address }) =>
      linkIndex === existingIndex && address.includes(':') === (family === 6) && !/^fe[89ab]/.test(address),
  );
}

function kept(network: NetworkRecord, context: DefaultBridgeContext, family: 4 | 6): Address | undefined {
  const last = network.subnets.find(({ subnet }) => subnet.includes(':') === (family === 6));
  if (!last) return undefined;
  const subnet = parsePrefix(last.subnet);
  const used = usedSubnets(context.view, context.existingIndex);
  if (!used.some(other => prefixesOverlap(other, subnet))) {
    return { address: last.gateway, prefixLength: subnet.length };
  }
  context.warn(`the subnet ${last.subnet} of network ${network.name} is in use on this host: another one is chosen`);
  return undefined;
}

function withFlags(
  { address, prefixLength }: Address,
  fixed: string | undefined,
  gateway: string | undefined,
  family: 4 | 6,
): SubnetRecord {
  const subnet = prefixOf(address, prefixLength);
  const range = fixed === undefined ? undefined : readCidr(fixed, family);
  const flag = family === 4 ? '' : '-v6';
  if (range && !prefixesOverlap(range, subnet)) {
    throw invalidParameter(
      `the range --fixed-cidr${flag} ${fixed} is not in the subnet ${prefixText(subnet)} of the bridge`,
      {
        hint: `give the bridge an address of that range with --bip${family === 4 ? '' : '6'}`,
      },
    );
  }
  if (gateway !== undefined && !prefixContains(subnet, gateway)) {
    throw invalidParameter(`Default gateway ${gateway} is not in the subnet ${prefixText(subnet)} of the bridge`, {
      hint: `choose an address of the subnet with --default-gateway${flag}`,
    });
  }
  return {
    subnet: prefixText(subnet),
    gateway: address,
    ...(range && range.length > subnet.length ? { ipRange: prefixText(range) } : {}),
    ...(gateway === undefined ? {} : { auxiliary: { [DefaultGateway[family]]: gateway } }),
  };
}

function readCidr(text: string, family: 4 | 6): Prefix {
  try {
    const prefix = parsePrefix(text);
    if (prefix.family === family && prefixSize(prefix) >= 4n) return prefix;
  } catch (cause) {
    throw invalidParameter(`invalid CIDR address: ${text}`, { cause });
  }
  throw invalidParameter(`invalid CIDR address: ${text}`, {
    hint: `write it as ${family === 4 ? '10.1.0.0/24' : 'fd00:1::/64'}`,
  });
}

function readBip(bip: string, family: 4 | 6): Address {
  const [flag, example] = family === 4 ? ['--bip', '10.1.0.1/24'] : ['--bip6', 'fd00:1::1/64'];
  const hint = `write it as ${flag} ${example}`;
  try {
    const subnet = parsePrefix(bip);
    const address = bip.split('/')[0] ?? '';
    const host = addressBits(address) - subnet.base;
    const last = prefixSize(subnet) - (family === 4 ? 1n : 0n);
    if (subnet.family === family && prefixSize(subnet) >= 4n && host > 0n && host < last) {
      return { address, prefixLength: subnet.length };
    }
  } catch (cause) {
    throw invalidParameter(`invalid CIDR address: ${bip}`, { cause, hint });
  }
  throw invalidParameter(`${bip} is not the address of a host in a subnet`, { hint });
}

/** The default bridge's options, as inspect shows them. */
export function defaultBridgeOptions(bridge: string, settings: DefaultBridgeOptions): NetworkRecord['options'] {
  return {
    [BridgeOption.isDefault]: 'true',
    [BridgeOption.icc]: String(settings.icc ?? true),
    [BridgeOption.masquerade]: String(settings.masquerade ?? true),
    [BridgeOption.hostBinding]: settings.hostBinding ?? '0.0.0.0',
    [BridgeOption.name]: bridge,
    [BridgeOption.mtu]: String(settings.mtu || 1500),
  };
}
