import { BlockList, isIP } from 'node:net';
import { ExitError } from '../../errors.ts';

export type IpamWishes = {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxiliary: Readonly<Record<string, string>>;
};

export type IpamConfig = {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
};

/** Puts each range, gateway and address to the subnet that it is of, as Docker's client does. @throws ExitError in its words */
export function ipamConfigs({ subnets, ranges, gateways, auxiliary }: IpamWishes): IpamConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new ExitError(1, 'every ip-range or gateway must have a corresponding subnet');
  }
  const configs = new Map<string, IpamConfig>();
  for (const subnet of subnets) {
    for (const other of configs.keys()) {
      if (has(subnet, base(other)) || has(other, base(subnet))) {
        throw new ExitError(1, 'multiple overlapping subnet configuration is not supported');
      }
    }
    configs.set(subnet, { Subnet: subnet });
  }
  const find = (address: string): IpamConfig | undefined =>
    [...configs.values()].find(({ Subnet }) => has(Subnet, address));
  for (const range of ranges) {
    if (isIP(base(range)) === 0) throw new ExitError(1, `invalid CIDR address: ${range}`);
    const config = find(base(range));
    if (!config) throw new ExitError(1, `no matching subnet for range ${range}`);
    if (config.IPRange) {
      throw new ExitError(
        1,
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
      );
    }
    config.IPRange = range;
  }
  for (const gateway of gateways) {
    const config = find(gateway);
    if (!config) throw new ExitError(1, `no matching subnet for gateway ${gateway}`);
    if (config.Gateway) {
      throw new ExitError(
        1,
        `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
      );
    }
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(auxiliary)) {
    const config = find(address);
    if (!config) throw new ExitError(1, `no matching subnet for aux-address ${address}`);
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return [...configs.values()];
}

function base(cidr: string): string {
  return cidr.split('/')[0] ?? '';
}

/** Whether a subnet has an address; what is no subnet has none, and is left to the engine to refuse. */
function has(subnet: string, address: string): boolean {
  const family = isIP(address);
  const length = Number(subnet.split('/')[1]);
  if (family === 0 || isIP(base(subnet)) !== family || !(length >= 0 && length <= (family === 4 ? 32 : 128)))
    return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(base(subnet), length, type);
  return list.check(address, type);
}
