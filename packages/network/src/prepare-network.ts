import { isIPv4 } from 'node:net';
import { conflict, forbidden, invalidParameter, notFound, notImplemented } from '@gantry/errors';
import { BridgeOption } from './bridge-options.ts';
import type { NetworkCreate, NetworkRecord } from './face.ts';
import { newId } from './id.ts';
import { addressNumber, addressText, contains, overlaps, parseSubnet, type Subnet, subnetText } from './subnet.ts';

const UNBUILT: ReadonlySet<string> = new Set(['macvlan', 'ipvlan', 'overlay']);
/** Longest name of a link. @see linux/if.h, IFNAMSIZ */
const MAX_LINK_NAME = 15;

/**
 * Checks a request for a network as dockerd does, and makes the record that the driver then opens.
 * @throws conflict (name), forbidden (overlap, second host network), invalidParameter, notFound (driver), notImplemented
 */
export function prepareNetwork(request: NetworkCreate, others: readonly NetworkRecord[]): NetworkRecord {
  const { name } = request;
  if (['bridge', 'host', 'none', 'default'].includes(name)) {
    throw forbidden(`operation is not permitted on predefined ${name} network`);
  }
  if (others.some(other => other.name === name)) throw conflict(`network with name ${name} already exists`);
  checkDriver(request.driver);
  const subnet = request.subnet && checkSubnet(request.subnet, others);
  const id = newId();
  const options = { ...request.options };
  checkOptions(options, others);
  return {
    id,
    name,
    driver: 'bridge',
    createdAtMs: Date.now(),
    scope: 'local',
    enableIPv4: true,
    enableIPv6: false,
    internal: request.internal,
    attachable: request.attachable ?? false,
    subnets: subnet ? [subnet] : [],
    options,
    labels: { ...request.labels },
  };
}

function checkDriver(driver: string): void {
  if (driver === 'host' || driver === 'null') throw forbidden(`only one instance of "${driver}" network is allowed`);
  if (UNBUILT.has(driver))
    throw notImplemented(`networks of driver ${driver} are not built yet`, { hint: 'use bridge' });
  if (driver !== 'bridge' && driver !== 'default' && driver !== '') throw notFound(`plugin "${driver}" not found`);
}

function checkOptions(options: Readonly<Record<string, string>>, others: readonly NetworkRecord[]): void {
  for (const key of [BridgeOption.icc, BridgeOption.masquerade]) {
    const value = options[key];
    if (value !== undefined && !/^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(value)) {
      throw invalidParameter(
        `failed to parse ${key} value: ${value} (strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax)`,
      );
    }
  }
  const mtu = options[BridgeOption.mtu];
  if (mtu !== undefined && !/^\d+$/.test(mtu)) {
    throw invalidParameter(
      `failed to parse ${BridgeOption.mtu} value: ${mtu} (strconv.Atoi: parsing ${JSON.stringify(mtu)}: invalid syntax)`,
    );
  }
  const bridge = options[BridgeOption.name];
  if (bridge === undefined) return;
  if (bridge === '' || bridge.length > MAX_LINK_NAME || /[\s/:]/.test(bridge)) {
    throw invalidParameter(`invalid bridge name ${JSON.stringify(bridge)}`, {
      hint: `a link's name has at most ${MAX_LINK_NAME} characters`,
    });
  }
  const owner = others.find(other => other.options[BridgeOption.name] === bridge);
  if (owner) {
    throw forbidden(
      `cannot create network: conflicts with network ${owner.id} (${bridge}): networks have same bridge name`,
    );
  }
}

function checkSubnet(
  asked: NonNullable<NetworkCreate['subnet']>,
  others: readonly NetworkRecord[],
): NetworkRecord['subnets'][number] {
  const subnet = readSubnet('subnet', asked.subnet);
  const inSubnet = (what: string, address: string): number => {
    if (!isIPv4(address)) throw invalid(`invalid ${what} ${address}: invalid address`);
    const number = addressNumber(address);
    if (!contains(subnet, number)) {
      throw invalid(`invalid ${what} ${address}: parent subnet ${subnetText(subnet)} doesn't contain this address`);
    }
    return number;
  };
  if (asked.gateway) inSubnet('gateway', asked.gateway);
  for (const [name, address] of Object.entries(asked.auxiliary ?? {})) inSubnet(`auxiliary address ${name}`, address);
  const range = asked.ipRange ? readSubnet('ip-range', asked.ipRange) : undefined;
  if (range && (!contains(subnet, range.base) || range.prefixLength < subnet.prefixLength)) {
    throw invalid(`invalid ip-range ${asked.ipRange}: parent subnet ${subnetText(subnet)} doesn't contain ip-range`);
  }
  if (subnet.prefixLength > 30)
    throw invalid(`invalid subnet ${asked.subnet}: it has no room for a gateway and a container`);
  for (const other of others.flatMap(({ subnets }) => subnets)) {
    if (overlaps(parseSubnet(other.subnet), subnet)) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    }
  }
  return {
    subnet: subnetText(subnet),
    gateway: asked.gateway || addressText((range?.base === subnet.base ? undefined : range?.base) ?? subnet.base + 1),
    asked: asked.gateway ? 'gateway' : 'subnet',
    ...(asked.ipRange ? { ipRange: asked.ipRange } : {}),
    ...(Object.keys(asked.auxiliary ?? {}).length > 0 ? { auxiliary: { ...asked.auxiliary } } : {}),
  };
}

function readSubnet(what: string, text: string): Subnet {
  if (text.includes(':'))
    throw notImplemented('IPv6 networks are not built yet', { hint: 'leave out the IPv6 subnet' });
  let subnet: Subnet;
  try {
    subnet = parseSubnet(text);
  } catch {
    throw invalid(`invalid ${what} ${text}: invalid CIDR block notation`);
  }
  if (subnetText(subnet) !== text) throw invalid(`invalid ${what} ${text}: it should be ${subnetText(subnet)}`);
  return subnet;
}

const invalid = (text: string) => invalidParameter(`invalid network config:\n${text}`);
