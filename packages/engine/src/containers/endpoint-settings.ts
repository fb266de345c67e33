import { isIPv4, isIPv6 } from 'node:net';
import { invalidParameter, systemError } from '@gantry/errors';
import {
  type Endpoint,
  isLinkName,
  NetworkOption,
  type NetworkRecord,
  parsePrefix,
  prefixContains,
} from '@gantry/network';
import type { EndpointSettings, HostConfig } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import { parseLink } from './links.ts';

const SYSCTLS = 'com.docker.network.endpoint.sysctls';
const NOT_ON_PREDEFINED = 'user specified IP address is supported on user defined networks only';
const IFNAME = 'com.docker.network.endpoint.ifname';
/** A setting of an interface, with IFNAME in the place of its name; the official client makes it lower case. */
const INTERFACE_SYSCTL = /^net\.(ipv4|ipv6|mpls)\.[^.=]+\.IFNAME\.[^=]+=.*$/i;

/** Checks what is asked for on a network. @throws invalidParameter in dockerd's words, after `prefix` */
export function checkEndpointSettings(
  network: NetworkRecord,
  { IPAMConfig, Aliases, Links, DriverOpts }: Partial<EndpointSettings>,
  prefix: string,
): void {
  const problems: string[] = [];
  const userDefined = isUserDefinedNetwork(network.name);
  for (const link of Links ?? []) parseLink(link);
  const addresses = [IPAMConfig?.IPv4Address, IPAMConfig?.IPv6Address].filter(address => address);
  if (addresses.length > 0 && !userDefined) {
    problems.push(NOT_ON_PREDEFINED);
  }
  if (!userDefined && (Aliases?.length ?? 0) > 0) {
    problems.push('network-scoped alias is supported only for containers in user defined networks');
  }
  problems.push(
    ...addressProblems(network, 4, IPAMConfig?.IPv4Address),
    ...addressProblems(network, 6, IPAMConfig?.IPv6Address),
  );
  for (const address of IPAMConfig?.LinkLocalIPs ?? []) {
    if (!isIPv4(address) && !isIPv6(address)) problems.push(`invalid link-local IP address: ${address}`);
  }
  problems.push(...sysctlProblems(DriverOpts?.[SYSCTLS]));
  refuse(problems, prefix);
}

/** Checks what is asked for where another container's network is shared. @throws invalidParameter */
export function checkSharedSettings(name: string, { IPAMConfig }: Partial<EndpointSettings>): void {
  const asks = Boolean(IPAMConfig?.IPv4Address || IPAMConfig?.IPv6Address);
  refuse(asks ? [NOT_ON_PREDEFINED] : [], `invalid config for network ${name}: `);
}

function refuse(problems: readonly string[], prefix: string): void {
  if (problems.length === 0) return;
  const text = problems.length === 1 ? problems[0] : problems.map(problem => `* ${problem}`).join('\n');
  throw invalidParameter(`${prefix}invalid endpoint settings:\n${text}`);
}

/** Checks what dockerd looks at only when the endpoint is made. @throws invalidParameter */
export function checkLinkLocal({ IPAMConfig }: Partial<EndpointSettings>, prefix: string): void {
  for (const address of IPAMConfig?.LinkLocalIPs ?? []) {
    if (!/^(169\.254\.|fe[89ab][0-9a-f]:)/i.test(address)) {
      throw invalidParameter(`${prefix}invalid link local IP address: ${address}`, {
        hint: 'such addresses are in 169.254.0.0/16 or fe80::/10',
      });
    }
  }
}

function addressProblems(network: NetworkRecord, family: 4 | 6, address = ''): string[] {
  if (address === '') return [];
  const problems = (family === 4 ? isIPv4(address) : isIPv6(address))
    ? []
    : [`invalid IPv${family} address: ${address}`];
  // The default bridge's comes from the daemon's settings, which counts.
  const ofFamily = network.subnets.filter(({ subnet }) => subnet.includes(':') === (family === 6));
  const isAsked = ofFamily.some(({ asked }) => network.name === 'bridge' || asked !== undefined);
  if (!isAsked) {
    return [
      ...problems,
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    ];
  }
  const inside = network.subnets.some(({ subnet }) => contains(subnet, address));
  return inside ? problems : [...problems, `no configured subnet or ip-range contain the IP address ${address}`];
}

function contains(subnet: string, address: string): boolean {
  return prefixContains(parsePrefix(subnet), address);
}

function sysctlProblems(settings = ''): string[] {
  return listed(settings)
    .filter(setting => !INTERFACE_SYSCTL.test(setting))
    .map(
      setting =>
        `unrecognised network interface sysctl '${setting}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    );
}

/** Whether the settings of a container say how its TCP controls congestion. */
export function choosesCongestion({ Sysctls }: Pick<HostConfig, 'Sysctls'>): boolean {
  return Sysctls?.['net.ipv4.tcp_congestion_control'] !== undefined;
}

/** The kernel settings that are asked for an interface, with its name in them. */
export function interfaceSysctls({ DriverOpts }: Partial<EndpointSettings>, interfaceName: string): string[] {
  return listed(DriverOpts?.[SYSCTLS] ?? '').map(setting => setting.replace(/\.IFNAME\./i, `.${interfaceName}.`));
}

/** Settings are parted by commas, and may have some in their values. */
function listed(settings: string): string[] {
  return settings === '' ? [] : settings.split(/,(?=net\.|[^,=]*\.IFNAME\.|[^,=]+=)/);
}

/** The addresses that are asked for. */
export function addressWishes({ IPAMConfig }: Partial<EndpointSettings>) {
  return {
    ipv4Address: IPAMConfig?.IPv4Address || undefined,
    ipv6Address: IPAMConfig?.IPv6Address || undefined,
    linkLocal: IPAMConfig?.LinkLocalIPs ?? [],
  };
}

/** What a container calls its links: by the network's prefix (`eth`) and a number each, or as the settings say. */
export class InterfaceNames {
  readonly #used: Set<string>;

  constructor(endpoints: readonly Endpoint[] = []) {
    this.#used = new Set(endpoints.map(({ interfaceName }, index) => interfaceName ?? `eth${index}`));
  }

  /** @throws system in dockerd's words, for a name that the kernel would not take */
  next(network: NetworkRecord, { DriverOpts }: Partial<EndpointSettings>): string {
    const asked = DriverOpts?.[IFNAME];
    if (asked !== undefined) {
      if (!isLinkName(asked) || asked === 'lo' || this.#used.has(asked)) {
        const taken = asked === 'lo' || this.#used.has(asked);
        const why = taken ? 'file exists' : asked.length > 15 ? 'numerical result out of range' : 'invalid argument';
        throw systemError(
          `failed to add interface to sandbox: error renaming interface to ${JSON.stringify(asked)}: ${why}`,
          {
            hint: 'a name of a link has at most 15 characters, without spaces, slashes and colons, and is used once',
          },
        );
      }
      this.#used.add(asked);
      return asked;
    }
    const prefix = network.options[NetworkOption.interfacePrefix] || 'eth';
    for (let number = 0; ; number++) {
      const name = `${prefix}${number}`;
      if (this.#used.has(name)) continue;
      if (!isLinkName(name)) {
        throw systemError(
          `failed to add interface to sandbox: error renaming interface to ${JSON.stringify(name)}: invalid argument`,
          {
            hint: `the network's option ${NetworkOption.interfacePrefix} makes no name of a link`,
          },
        );
      }
      this.#used.add(name);
      return name;
    }
  }
}
