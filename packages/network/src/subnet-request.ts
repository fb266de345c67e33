import { isIP } from 'node:net';
import { forbidden, systemError } from '@gantry/errors';
import { AddressSpace } from './address-space.ts';
import type { AskedSubnet, NetworkRecord } from './face.ts';
import { chooseSubnet, type PoolRange } from './ipam.ts';
import {
  addressAt,
  normalAddress,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixText,
} from './prefix.ts';

type SubnetRecord = NetworkRecord['subnets'][number];

/** What is wrong with the subnets that are asked for, in dockerd's words. */
export function subnetProblems(asked: readonly AskedSubnet[]): string[] {
  return asked.flatMap(problemsOf);
}

function problemsOf({ subnet: text, ipRange, gateway, auxiliary }: AskedSubnet): string[] {
  const subnet = readPrefix(text);
  if (!subnet) return [`invalid subnet ${text}: invalid CIDR block notation`];
  if (text.split('/')[0] !== undefined && prefixText(subnet) !== normalPrefix(text)) {
    return [`invalid subnet ${text}: it should be ${prefixText(subnet)}`];
  }
  const problems: string[] = [];
  if (ipRange) problems.push(...rangeProblems(ipRange, subnet));
  const check = (what: string, address: string): void => {
    const problem = addressProblem(address, subnet);
    if (problem !== undefined) problems.push(`invalid ${what}: ${problem}`);
  };
  if (gateway) check(`gateway ${gateway}`, gateway);
  for (const [name, address] of Object.entries(auxiliary ?? {})) check(`auxiliary address ${name}`, address);
  return problems;
}

function rangeProblems(text: string, subnet: Prefix): string[] {
  const range = readPrefix(text);
  if (!range) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  const parent = prefixText(subnet);
  if (range.family !== subnet.family) {
    return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`];
  }
  const problems: string[] = [];
  if (range.length < subnet.length) {
    problems.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`);
  } else if (!prefixesOverlap(range, subnet)) {
    problems.push(`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`);
  }
  if (prefixText(range) !== normalPrefix(text)) {
    problems.push(`invalid ip-range ${text}: it should be ${prefixText(range)}`);
  }
  return problems;
}

function addressProblem(address: string, subnet: Prefix): string | undefined {
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0) return 'invalid address';
  if (family !== subnet.family) return `parent subnet is an IPv${subnet.family} block`;
  return prefixContains(subnet, address)
    ? undefined
    : `parent subnet ${prefixText(subnet)} doesn't contain this address`;
}

function readPrefix(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch {
    return undefined;
  }
}

/** A prefix with its address as the kernel writes it, host bits and all. */
function normalPrefix(text: string): string {
  const [address = '', length = ''] = text.split('/');
  return `${normalAddress(address)}/${Number(length)}`;
}

export type SubnetChoice = {
  readonly pools: readonly PoolRange[];
  /** The networks that are there. */
  readonly others: readonly NetworkRecord[];
  /** What the host has; only asked when a subnet is to be chosen freely. */
  readonly used: () => readonly Prefix[];
  /** Whether the network has a gateway of this family at all. */
  readonly hasGateway: (family: 4 | 6) => boolean;
};

/**
 * The subnets of a new network: those that are asked for, and one from the pools for each family that has none.
 * @throws forbidden (overlap), unavailable (pools exhausted), system (a gateway or another machine's address twice)
 */
export function chooseSubnets(
  network: Pick<NetworkRecord, 'name' | 'id' | 'driver' | 'enableIPv4' | 'enableIPv6'>,
  asked: readonly AskedSubnet[],
  choice: SubnetChoice,
): SubnetRecord[] {
  const taken = choice.others
    .filter(other => other.configOnly !== true)
    .flatMap(other => other.subnets.map(({ subnet }) => parsePrefix(subnet)));
  const records: SubnetRecord[] = [];
  // Those of a family that is off are not used, as in dockerd.
  const wanted = asked.filter(({ subnet }) => enabled(network, parsePrefix(subnet).family));
  const families = wanted.map(({ subnet }) => parsePrefix(subnet).family);
  for (const [index, one] of wanted.entries()) {
    const prefix = parsePrefix(one.subnet);
    if (taken.some(other => prefixesOverlap(other, prefix))) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    }
    if (network.driver === 'bridge' && families.indexOf(prefix.family) !== index) {
      throw forbidden(`${network.driver} driver doesn't support multiple subnets`, {
        hint: 'give one subnet of each family, or make a second network',
      });
    }
    taken.push(prefix);
    records.push(subnetRecord(network, one, prefix, choice.hasGateway(prefix.family)));
  }
  for (const family of [4, 6] as const) {
    if (!enabled(network, family) || families.includes(family)) continue;
    const prefix = chooseSubnet(family, choice.pools, [...taken, ...choice.used()]);
    taken.push(prefix);
    records.push({
      subnet: prefixText(prefix),
      gateway: choice.hasGateway(family) ? addressAt(prefix, 1n) : '',
    });
  }
  return records;
}

function enabled(network: Pick<NetworkRecord, 'enableIPv4' | 'enableIPv6'>, family: 4 | 6): boolean {
  return family === 4 ? network.enableIPv4 : network.enableIPv6;
}

function subnetRecord(
  network: Pick<NetworkRecord, 'name' | 'id'>,
  asked: AskedSubnet,
  prefix: Prefix,
  hasGateway: boolean,
): SubnetRecord {
  const subnet = prefixText(prefix);
  const space = new AddressSpace({ subnet, range: asked.ipRange || undefined, reserved: [], network });
  let gateway = '';
  if (asked.gateway) {
    gateway = normalAddress(asked.gateway);
    if (!space.take(gateway)) throw systemError(`failed to allocate gateway (${gateway}): Address already in use`);
  } else if (hasGateway) {
    gateway = firstFree(space, subnet);
  }
  for (const [name, address] of Object.entries(asked.auxiliary ?? {})) {
    if (!space.take(address)) {
      throw systemError(`failed to allocate secondary ip address (${name}:${address}): Address already in use`);
    }
  }
  return {
    subnet,
    gateway,
    asked: asked.gateway ? 'gateway' : 'subnet',
    ...(asked.ipRange ? { ipRange: prefixText(parsePrefix(asked.ipRange)) } : {}),
    ...(Object.keys(asked.auxiliary ?? {}).length > 0 ? { auxiliary: { ...asked.auxiliary } } : {}),
  };
}

function firstFree(space: AddressSpace, subnet: string): string {
  try {
    return space.allocate();
  } catch (cause) {
    throw systemError('failed to allocate gateway (): no available addresses on this pool', {
      cause,
      hint: `the subnet ${subnet} has no room for a gateway`,
    });
  }
}
