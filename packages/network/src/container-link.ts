import { netlink } from '@gantry/linux';
import type { Step } from '@gantry/runtime';
import type { Endpoint, Gateways } from './face.ts';
import { LOOPBACK_INDEX, routeStep, sysctlStep } from './step.ts';
import { addressText, parseSubnet } from './subnet.ts';

/** What a network is like for the containers on it. */
export type ContainerSideContext = {
  /** Whether the kernel knows IPv6. */
  readonly ipv6: boolean;
  /** Nothing leads beyond the network. */
  readonly internal: boolean;
  /** Everything is sent into the link itself, since no machine is the gateway (ipvlan's layer 3). */
  readonly routesIntoLink?: boolean;
  /** How TCP controls congestion towards the network itself; undefined: as everywhere. */
  readonly congestion?: string | undefined;
};

const ENOENT = 2;
/** As Docker writes addresses that nobody administers. @see RFC 3927, RFC 4291 section 2.5.6 */
const LINK_LOCAL_LENGTH = { 4: 16, 6: 64 } as const;

/** The steps in the container's namespace that give a link, the index of which is known, its addresses and routes. */
export function containerSide(
  endpoint: Endpoint,
  interfaceName: string,
  index: number,
  gateways: Gateways,
  context: ContainerSideContext,
): readonly Step[] {
  const { ipv4, ipv6 } = endpoint;
  const addresses = [
    ...(ipv4 ? [ipv4] : []),
    ...(ipv6 ? [ipv6] : []),
    ...(endpoint.linkLocal ?? []).map(address => ({
      address,
      prefixLength: LINK_LOCAL_LENGTH[address.includes(':') ? 6 : 4],
    })),
  ].map(({ address, prefixLength }) => ({ linkIndex: index, address, prefixLength }));
  const six = addresses.filter(({ address }) => address.includes(':'));
  return [
    routeStep([
      netlink.setLink({ index: LOOPBACK_INDEX }, { up: true }),
      // Named as it is named already: fails when the index is another device's, before that gets an address.
      netlink.setLink({ index, name: interfaceName }, {}),
      ...addresses.filter(address => !six.includes(address)).map(netlink.addAddress),
    ]),
    ...(context.ipv6
      ? [sysctlStep(`net/ipv6/conf/${interfaceName}/disable_ipv6`, six.length > 0 ? '0' : '1', [ENOENT])]
      : []),
    ...(endpoint.sysctls ?? []).map(setting => {
      const equals = setting.indexOf('=');
      return sysctlStep(interfaceSysctlPath(setting.slice(0, equals), interfaceName), setting.slice(equals + 1));
    }),
    routeStep([
      netlink.setLink({ index }, { up: true }),
      ...congestionMessages(endpoint, index, context),
      // The kernel gives a link that is down no IPv6 routes.
      ...six.map(netlink.addAddress),
      ...defaultRouteMessages(endpoint, index, gateways, context),
    ]),
  ];
}

/** The kernel has made the route when the link is up. */
function congestionMessages(
  { ipv4, ownCongestion }: Endpoint,
  linkIndex: number,
  { congestion }: ContainerSideContext,
): netlink.Message[] {
  if (!ipv4 || ipv4.prefixLength > 30 || congestion === undefined || ownCongestion) return [];
  const { address, prefixLength } = ipv4;
  const destination = { address: addressText(parseSubnet(`${address}/${prefixLength}`).base), prefixLength };
  return [netlink.replaceAddressRoute({ family: 4, destination, linkIndex, preferredSource: address, congestion })];
}

/** The steps that lead a container's default routes through a link that has its addresses already. */
export function defaultRoutes(
  endpoint: Endpoint,
  index: number | undefined,
  gateways: Gateways,
  context: ContainerSideContext,
): readonly Step[] {
  const messages = defaultRouteMessages(endpoint, index, gateways, context);
  return messages.length === 0 ? [] : [routeStep(messages)];
}

function defaultRouteMessages(
  { ipv4, ipv6 }: Endpoint,
  index: number | undefined,
  gateways: Gateways,
  { internal, routesIntoLink }: ContainerSideContext,
): netlink.Message[] {
  if (internal) return [];
  const link = index === undefined ? {} : { linkIndex: index };
  return ([4, 6] as const).flatMap(family => {
    const address = family === 4 ? gateways.ipv4 && ipv4 : gateways.ipv6 && ipv6;
    if (!address) return [];
    if (routesIntoLink) return [netlink.addRoute({ family, ...link })];
    return address.gateway === '' ? [] : [netlink.addRoute({ family, gateway: address.gateway, ...link })];
  });
}

/** `net.ipv4.conf.eth0.log_martians` below /proc/sys: a name of a link may have dots, as `eth0.10`. */
export function interfaceSysctlPath(name: string, interfaceName: string): string {
  const at = name.indexOf(`.${interfaceName}.`);
  if (at < 0) return name.replaceAll('.', '/');
  const [before, after] = [name.slice(0, at), name.slice(at + interfaceName.length + 2)];
  return `${before.replaceAll('.', '/')}/${interfaceName}/${after.replaceAll('.', '/')}`;
}
