import { netlink } from '@gantry/linux';
import type { Step } from '@gantry/runtime';
import type { BridgeDevice } from './bridge-device.ts';
import type { Endpoint, NetworkAttachment } from './face.ts';
import type { Firewall } from './firewall/firewall.ts';
import { portSocketSteps } from './port-sockets.ts';
import { childNamespace, LOOPBACK_INDEX, routeStep, sysctlStep } from './step.ts';

export type EndpointContext = {
  readonly bridge: {
    readonly device: BridgeDevice;
    readonly mtu: number;
    readonly icc: boolean;
    readonly internal: boolean;
  };
  readonly firewall: Firewall | undefined;
  readonly ipv6: boolean;
  readonly containerLinkIndex: number;
  /** Frames between ports of a bridge pass the IP rules too (br_netfilter). */
  readonly bridgeNetfilter: boolean;
};

const ENOENT = 2;
const ENODEV = 19;
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
  isGateway: boolean,
): NetworkAttachment {
  const place = Number(/\d+$/.exec(interfaceName)?.[0] ?? 0);
  return {
    endpoint,
    prepare: portSocketSteps(endpoint, endpoint.ports, context.firewall !== undefined),
    parent: [hostSide(endpoint, interfaceName, context), ...(context.firewall?.addPorts(endpoint) ?? [])],
    child: containerSide(endpoint, interfaceName, context.containerLinkIndex + place, isGateway, context),
  };
}

/** The steps that undo what the parent steps made, but for the firewall; each tolerates that there is nothing. */
export function removalSteps(endpoint: Endpoint, linkIndex: number): readonly Step[] {
  if (!endpoint.ipv4) return [];
  return [routeStep([netlink.deleteNeighbor({ linkIndex, address: endpoint.ipv4.address })], [ENOENT, ENODEV])];
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
    ...(bridge.icc ? [] : [netlink.setBridgePort({ name }, { isolated: true })]),
    // With br_netfilter, what a container sends to its own published port is turned round in the bridge, not above it.
    ...(context.bridgeNetfilter && endpoint.ports.length > 0
      ? [netlink.setBridgePort({ name }, { hairpin: true })]
      : []),
    netlink.setLink({ name }, { up: true }),
    ...(endpoint.ipv4
      ? [
          netlink.setNeighbor({
            linkIndex: index,
            address: endpoint.ipv4.address,
            macAddress: endpoint.macAddress,
          }),
        ]
      : []),
  ]);
}

/** The steps in the container's namespace; `index` is that of its end of the veth pair. */
export function containerSide(
  endpoint: Endpoint,
  interfaceName: string,
  index: number,
  isGateway: boolean,
  context: Pick<EndpointContext, 'ipv6'> & { readonly bridge: { readonly internal: boolean } },
): readonly Step[] {
  const { ipv4 } = endpoint;
  return [
    routeStep([
      netlink.setLink({ index: LOOPBACK_INDEX }, { up: true }),
      // Named as it is named already: fails when the index is another device's, before that gets an address.
      netlink.setLink({ index, name: interfaceName }, {}),
      ...(ipv4 ? [netlink.addAddress({ linkIndex: index, ...ipv4 })] : []),
    ]),
    ...(context.ipv6 && !endpoint.ipv6
      ? [sysctlStep(`net/ipv6/conf/${interfaceName}/disable_ipv6`, '1', [ENOENT])]
      : []),
    routeStep([
      netlink.setLink({ index }, { up: true }),
      ...(ipv4 && isGateway && !context.bridge.internal
        ? [netlink.addRoute({ family: 4, gateway: ipv4.gateway, linkIndex: index })]
        : []),
    ]),
  ];
}
