import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { netlink } from '@gantry/linux';
import { type Prefix, parsePrefix, prefixOf } from './prefix.ts';

/** The host's links, addresses and on-link routes at one moment. */
export type HostView = {
  readonly links: readonly netlink.Link[];
  readonly addresses: readonly netlink.InterfaceAddress[];
  readonly routes: readonly netlink.Route[];
};

/** Reads what the kernel has; at start only, since a dump waits for whoever changes links at the moment. */
export function readHostView(): HostView {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
  return {
    links: present(socket.request([netlink.getLink()]).map(netlink.parseLink)),
    addresses: present(socket.request([netlink.getAddresses()]).map(netlink.parseAddress)),
    routes: present(socket.request([netlink.getRoutes()]).map(netlink.parseRoute)),
  };
}

/**
 * The subnets that a new network must not overlap: those of the host's addresses, on-link routes and name servers.
 * Routes through a gateway do not count: a VPN's half-of-everything routes would leave nothing.
 */
export function usedSubnets(view: HostView, exceptLink?: number): Prefix[] {
  const used: Prefix[] = [];
  for (const { linkIndex, address, prefixLength } of view.addresses) {
    if (linkIndex !== exceptLink) used.push(prefixOf(address, prefixLength));
  }
  for (const { linkIndex, destination, gateway } of view.routes) {
    if (linkIndex === exceptLink || gateway !== undefined || !destination || destination.prefixLength === 0) continue;
    used.push(prefixOf(destination.address, destination.prefixLength));
  }
  return [...used, ...nameServers()];
}

function nameServers(): Prefix[] {
  let text = '';
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    // A host without the file has no name servers.
  }
  return [...text.matchAll(/^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].flatMap(([, address]) => {
    try {
      return [parsePrefix(`${address}/32`)];
    } catch {
      return [];
    }
  });
}

/** Whether an IPv4 address is one of the host's own now. */
export function isHostAddress(address: string): boolean {
  return (
    address.startsWith('127.') ||
    Object.values(networkInterfaces()).some(list => list?.some(one => one.address === address))
  );
}

/** Whether this kernel has IPv6 at all. */
export function hasIPv6(): boolean {
  return existsSync('/proc/net/if_inet6');
}

/** Whether frames within a bridge pass the IP rules. @see ip-sysctl.rst, bridge-nf-call-iptables */
export function hasBridgeNetfilter(): boolean {
  try {
    return readFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

/** The range that ports are taken from when none is asked for. @see ip-sysctl.rst, ip_local_port_range */
export function localPortRange(): readonly [first: number, last: number] {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    if (first && last && first <= last) return [first, last];
  } catch {
    // As when it cannot be read: the range of RFC 6335.
  }
  return [49153, 65535];
}

/** Devices that tunnel modules put into every new namespace, before anything else is made there. */
const FALLBACK_TUNNELS = new Set([
  'tunl0',
  'gre0',
  'gretap0',
  'erspan0',
  'ip_vti0',
  'ip6_vti0',
  'sit0',
  'ip6tnl0',
  'ip6gre0',
]);

/**
 * The index that the first link has which is made in a new network namespace: 2 after the loopback, and more on a host
 * with tunnel modules. @see admin-guide/sysctl/net.rst, fb_tunnels_only_for_init_net
 */
export function firstIndexInNewNamespace(links: readonly netlink.Link[]): number {
  let everywhere = true;
  try {
    everywhere = readFileSync('/proc/sys/net/core/fb_tunnels_only_for_init_net', 'utf8').trim() === '0';
  } catch {
    // Kernels before 4.18 had no choice.
  }
  return 2 + (everywhere ? links.filter(link => FALLBACK_TUNNELS.has(link.name)).length : 0);
}

function present<T>(list: readonly (T | undefined)[]): T[] {
  return list.filter(item => item !== undefined);
}

/** Whether packets of a family are forwarded at all. */
export function forwards(six: boolean): boolean {
  try {
    const name = six ? 'ipv6/conf/all/forwarding' : 'ipv4/ip_forward';
    return readFileSync(`/proc/sys/net/${name}`, 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}

/**
 * How TCP is to control congestion where packets do not leave the machine, undefined where the host's default will do. BBR
 * paces what it sends by a timer, for a bottleneck that is not there: a published port then carries a quarter of what it could.
 */
export function localCongestion(): string | undefined {
  try {
    const name = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
    // What every kernel has.
    return name.startsWith('bbr') ? 'reno' : undefined;
  } catch {
    return undefined;
  }
}
