import { netlink } from '@gantry/linux';
import type { Step } from '@gantry/runtime';
import type { BridgeDevice } from './bridge-device.ts';
import { containerSide } from './container-link.ts';
import type { Endpoint, Gateways, NetworkAttachment } from './face.ts';
import type { Firewall } from './firewall/firewall.ts';
import { portSocketSteps } from './port-sockets.ts';
import { childNamespace, routeStep } from './step.ts';

export type EndpointContext = {
  readonly bridge: {
    readonly device: BridgeDevice;
    readonly mtu: number;
    readonly icc: boolean;
    readonly internal: boolean;
    readonly congestion: string | undefined;
  };
  readonly firewall: Firewall | undefined;
  readonly ipv6: boolean;
  readonly containerLinkIndex: number;
  /** Frames between ports of a bridge pass the IP rules too (br_netfilter). */
  readonly bridgeNetfilter: boolean;
};

const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;
const ENETDOWN = 100;
/** The kernel keeps no IPv6 state for links below. @see RFC 8200, section 5 */
const IPV6_MIN_MTU = 1280;

/** Name of the host end of an endpoint's veth pair. */
export function hostLinkName(endpointId: string): string {
  return `gntry${endpointId.slice(0, 7)}`;
}

/** The steps that put a container on its bridge. */
export function compileEndpoint(
  endpoint: Endpoint,
  interfaceName: string,
  context: EndpointContext,
  place: number,
  gateways: Gateways,
): NetworkAttachment {
  const { internal, congestion } = context.bridge;
  const inside = { ipv6: context.ipv6, internal, congestion };
  return {
    endpoint,
    prepare: portSocketSteps(endpoint, endpoint.ports, context.firewall !== undefined),
    parent: [hostSide(endpoint, interfaceName, context), ...(context.firewall?.addPorts(endpoint) ?? [])],
    child: containerSide(endpoint, interfaceName, context.containerLinkIndex + place, gateways, inside),
  };
}

/**
 * The steps that undo what the parent steps made, but for the firewall and the link itself; each tolerates that there is nothing.
 * `port` is the index of the host end, undefined when it is gone.
 */
export function removalSteps(endpoint: Endpoint, linkIndex: number, port: number | undefined): readonly Step[] {
  return [
    // The namespace may live on for minutes, when a connection of it waits for an answer: its addresses are others' from now on.
    ...(port === undefined ? [] : [routeStep([netlink.closeBridgePort(port)], [ENODEV, EINVAL, ENETDOWN])]),
    ...addressesOf(endpoint).map(address =>
      routeStep([netlink.deleteNeighbor({ linkIndex, address })], [ENOENT, ENODEV]),
    ),
  ];
}

function hostSide(endpoint: Endpoint, interfaceName: string, context: EndpointContext): Step {
  const { bridge, ipv6 } = context;
  const name = hostLinkName(endpoint.id);
  const { index } = bridge.device;
  return routeStep([
    netlink.createVeth(
      name,
      { mtu: bridge.mtu, master: index },
      { name: interfaceName, mtu: bridge.mtu, macAddress: endpoint.macAddress, namespace: childNamespace },
    ),
    // The host end needs no address of its own: without one it sends nothing, and costs no timers.
    ...(ipv6 && bridge.mtu >= IPV6_MIN_MTU ? [netlink.withoutLinkLocal({ name })] : []),
    ...portMessages(endpoint, name, context),
    netlink.setLink({ name }, { up: true }),
    ...neighborMessages(endpoint, index),
  ]);
}

/** The steps that put an endpoint, whose bridge was made again, back on it. */
export function rejoinSteps(endpoint: Endpoint, context: EndpointContext): readonly Step[] {
  const name = hostLinkName(endpoint.id);
  const { index } = context.bridge.device;
  return [
    routeStep(
      [netlink.setLink({ name }, { master: index, up: true }), ...portMessages(endpoint, name, context)],
      // Its container ended meanwhile.
      [ENODEV],
    ),
    routeStep(neighborMessages(endpoint, index)),
  ];
}

function portMessages(
  endpoint: Endpoint,
  name: string,
  { bridge, bridgeNetfilter }: EndpointContext,
): netlink.Message[] {
  return [
    ...(bridge.icc ? [] : [netlink.setBridgePort({ name }, { isolated: true })]),
    // With br_netfilter, what a container sends to its own published port is turned round in the bridge, not above it.
    ...(bridgeNetfilter && endpoint.ports.length > 0 ? [netlink.setBridgePort({ name }, { hairpin: true })] : []),
  ];
}

function neighborMessages(endpoint: Endpoint, linkIndex: number): netlink.Message[] {
  const { macAddress } = endpoint;
  return addressesOf(endpoint).map(address => netlink.setNeighbor({ linkIndex, address, macAddress }));
}

function addressesOf({ ipv4, ipv6 }: Endpoint): string[] {
  return [ipv4?.address, ipv6?.address].filter(address => address !== undefined);
}
