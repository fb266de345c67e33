import { notImplemented, systemError, unavailable } from '@gantry/errors';
import { linkIndex, netlink } from '@gantry/linux';
import type { Launcher } from '@gantry/runtime';
import { type BridgeDevice, bridgeName, isDefault, openBridgeDevice } from '../bridge-device.ts';
import { compileEndpoint, hostLinkName, rejoinSteps, removalSteps } from '../bridge-endpoint.ts';
import { BridgeOption } from '../bridge-options.ts';
import { containerSide, defaultRoutes } from '../container-link.ts';
import type { AttachRequest, NetworkDriver } from '../driver.ts';
import { EndedLinks } from '../ended-links.ts';
import { EndpointAddresses, type TakenAddresses } from '../endpoint-addresses.ts';
import type { DefaultBridgeOptions, Endpoint, NetworkRecord, PublishedPort } from '../face.ts';
import type { Firewall } from '../firewall/firewall.ts';
import type { FirewallBridge, GatewayMode } from '../firewall/rules.ts';
import { forwards, type HostView } from '../host-view.ts';
import { newId } from '../id.ts';
import type { PoolRange } from '../ipam.ts';
import { isLinkName, isOn, mtuOf } from '../network-options.ts';
import { externalConnectivityError } from '../port-errors.ts';
import type { PortReach, PortTable, ReserveOptions } from '../ports.ts';
import { holdAgain, republish } from '../republish.ts';
import { routeStep } from '../step.ts';

export type BridgeContext = {
  readonly run: Launcher['run'];
  readonly readView: () => HostView;
  readonly pools: readonly PoolRange[];
  /** Address of the default bridge that the user chose, as `10.1.0.1/24`. */
  readonly bip: string | undefined;
  readonly defaultBridge: DefaultBridgeOptions;
  /** Turns on forwarding of IPv6, which only networks that have it need. */
  readonly forwardIPv6: () => Promise<void>;
  readonly ports: PortTable;
  /** Published ports go through the host's input rules, by the shim. */
  readonly obeyInput?: boolean;
  /** Undefined when the user wants no rules: published ports are then relayed by the shim. */
  readonly firewall: Firewall | undefined;
  readonly ipv6: boolean;
  /** Index of the first link made in a container's namespace. */
  readonly containerLinkIndex: number;
  readonly bridgeNetfilter: boolean;
  /** How containers' TCP controls congestion on ways that do not leave the machine; undefined: as everywhere. */
  readonly localCongestion?: string | undefined;
  readonly warn: (message: string, error?: unknown) => void;
};

/** A Linux bridge takes this many ports. @see net/bridge/br_private.h, BR_MAX_PORTS */
const MAX_PORTS = 1023;
const ENODEV = 19;

type OpenBridge = {
  readonly record: NetworkRecord;
  device: BridgeDevice;
  readonly addresses: EndpointAddresses;
  readonly mtu: number;
  readonly icc: boolean;
  readonly internal: boolean;
  readonly congestion: string | undefined;
  /** How published ports are reached by the addresses of a family that containers here have. */
  readonly reach: { readonly ipv4: PortReach; readonly ipv6: PortReach };
  readonly hostBinding: string | undefined;
  /** The endpoints by the name of their host end. */
  readonly endpoints: Map<string, Endpoint>;
};

/** Containers on a bridge of the host, behind address translation, with published ports. */
export function bridgeDriver(context: BridgeContext): NetworkDriver {
  const bridges = new Map<string, OpenBridge>();
  /** Removals under way: what they held is free when they end. */
  const leaving = new Map<Endpoint, Promise<void>>();
  const ended = new EndedLinks(context.run, context.warn);

  const bridgeOf = (networkId: string): OpenBridge => {
    const bridge = bridges.get(networkId);
    if (!bridge) throw systemError(`network ${networkId} is not open`);
    return bridge;
  };

  const endpoints = (): Endpoint[] => [...bridges.values()].flatMap(bridge => [...bridge.endpoints.values()]);

  const inside = (endpoint: Endpoint) => {
    const { internal, congestion } = bridgeOf(endpoint.networkId);
    return { ipv6: context.ipv6, internal, congestion };
  };

  const isMissing = ({ device }: OpenBridge): boolean => linkIndex(device.name) !== device.index;

  /** Somebody removed or renamed a bridge: its containers are put on it again. One at a time for each. */
  const restoring = new Map<string, Promise<void>>();
  const restoreBridge = (networkId: string): Promise<void> => {
    const under = restoring.get(networkId);
    if (under) return under;
    const work = restoreNow(bridgeOf(networkId)).finally(() => restoring.delete(networkId));
    restoring.set(networkId, work);
    return work;
  };
  const restoreNow = async (bridge: OpenBridge): Promise<void> => {
    const { record, device } = bridge;
    context.warn(`the bridge ${device.name} of network ${record.name} was removed or renamed: it is made again`);
    if (linkIndex(device.name) === undefined) await renameBack(device);
    bridge.device = await openBridgeDevice(record, context);
    await context.run(
      [...bridge.endpoints.values()].flatMap(endpoint => rejoinSteps(endpoint, { ...context, bridge })),
    );
    await context.firewall?.addBridge(firewallBridge(bridge));
  };
  /** A bridge that was given another name is still there, with everything on it. */
  const renameBack = async ({ name, index }: BridgeDevice): Promise<void> => {
    const link = context.readView().links.find(one => one.index === index && one.kind === 'bridge');
    if (!link) return;
    await context.run([
      routeStep([
        netlink.setLink({ index }, { up: false }),
        netlink.setLink({ index, name }, {}),
        netlink.setLink({ index }, { up: true }),
      ]),
    ]);
  };

  const reachOf = (bridge: OpenBridge): ReserveOptions => ({
    ...bridge.reach,
    ...(bridge.hostBinding === undefined ? {} : { binding: bridge.hostBinding }),
    ...(context.obeyInput ? { obeyInput: true } : {}),
  });

  const reservePorts = async (
    bridge: OpenBridge,
    request: Pick<AttachRequest, 'ports' | 'containerName' | 'containerId'>,
    endpointId: string,
  ): Promise<PublishedPort[]> => {
    for (;;) {
      try {
        return context.ports.reserve(request.ports, reachOf(bridge));
      } catch (error) {
        // What a container that was just removed had may be asked for again before its rules are gone.
        const soon = [...leaving].filter(([endpoint]) => endpoint.ports.length > 0).map(([, work]) => work);
        if (soon.length === 0) {
          throw externalConnectivityError(request.containerName ?? request.containerId, endpointId, error);
        }
        await Promise.race(soon);
      }
    }
  };

  return {
    name: 'bridge',

    async open(network) {
      const device = await openBridgeDevice(network, context);
      const icc = isOn(network.options[BridgeOption.icc]);
      const mode = gatewayMode(network.options[BridgeOption.gatewayMode]);
      const mode6 = gatewayMode(network.options[BridgeOption.gatewayMode6]);
      if (device.subnet6 !== undefined && !network.internal) await context.forwardIPv6();
      const record: NetworkRecord = { ...network, subnets: device.subnets };
      bridges.set(network.id, {
        record,
        device,
        addresses: new EndpointAddresses(record),
        internal: network.internal,
        // A bridge that was there may lead out of the machine.
        congestion: network.borrowedLink ? undefined : context.localCongestion,
        mtu: mtuOf(network.options),
        icc,
        reach: {
          ipv4: !network.enableIPv4 ? 'relayed' : mode === 'routed' ? 'routed' : 'translated',
          ipv6: !network.enableIPv6 ? 'relayed' : mode6 === 'routed' ? 'routed' : 'translated',
        },
        hostBinding: network.options[BridgeOption.hostBinding],
        endpoints: new Map(),
      });
      await context.firewall?.addBridge(firewallBridge(bridgeOf(network.id)));
      return record;
    },

    begin: async () => context.firewall?.begin(),

    async remove(network) {
      // Not open when making it failed half-way.
      const name = bridges.get(network.id)?.device.name ?? bridgeName(network);
      bridges.delete(network.id);
      if (!network.borrowedLink) await context.run([routeStep([netlink.deleteLink({ name })], [ENODEV])]);
      await context.firewall?.removeBridge(name);
    },

    containerSide: (endpoint, interfaceName, index, gateways) =>
      containerSide(endpoint, interfaceName, index, gateways, inside(endpoint)),

    defaultRoutes: (endpoint, index, gateways) => defaultRoutes(endpoint, index, gateways, inside(endpoint)),

    // Inside too, since somebody may have renamed the link out here.
    unplug: endpoint => ({
      host: [routeStep([netlink.deleteLink({ name: hostLinkName(endpoint.id) })], [ENODEV])],
      inside: [routeStep([netlink.deleteLink({ name: endpoint.interfaceName ?? '' })], [ENODEV])],
    }),

    async attach(network, request) {
      if (isMissing(bridgeOf(network.id))) await restoreBridge(network.id);
      const bridge = bridgeOf(network.id);
      if (bridge.endpoints.size >= MAX_PORTS) {
        throw unavailable(`network ${network.name} is full: a bridge has at most ${MAX_PORTS} containers`, {
          hint: 'remove containers, or put some on another network',
        });
      }
      const id = newEndpointId(bridge);
      const ports = request.ports.length === 0 ? [] : await reservePorts(bridge, request, id);
      let addresses: TakenAddresses | undefined;
      try {
        addresses = bridge.addresses.take(request);
        const endpoint: Endpoint = {
          id,
          networkId: network.id,
          networkName: network.name,
          containerId: request.containerId,
          interfaceName: request.interfaceName,
          ...addresses,
          ports,
          ...(ports.length > 0 && trustedLinks(network).length > 0 ? { direct: true } : {}),
          ...(request.linkLocal ? { linkLocal: request.linkLocal } : {}),
          ...(request.sysctls ? { sysctls: request.sysctls } : {}),
          ...(request.ownCongestion ? { ownCongestion: true } : {}),
        };
        const place = request.place ?? Number(/\d+$/.exec(request.interfaceName)?.[0] ?? 0);
        const attachment = compileEndpoint(
          endpoint,
          request.interfaceName,
          { ...context, bridge },
          place,
          request.gateways ?? { ipv4: place === 0, ipv6: place === 0 },
        );
        bridge.endpoints.set(hostLinkName(id), endpoint);
        return attachment;
      } catch (error) {
        context.ports.release(ports);
        if (addresses) bridge.addresses.release(addresses);
        throw error;
      }
    },

    async republish(endpoint, request) {
      const bridge = bridgeOf(endpoint.networkId);
      const next = await republish(endpoint, request, {
        ports: context.ports,
        reach: reachOf(bridge),
        firewall: context.firewall,
        endpoints,
        // From here on whoever repairs the rules writes the new ones.
        replace: current => bridge.endpoints.set(hostLinkName(endpoint.id), current),
      });
      return next;
    },

    async link(endpoint, ports) {
      if (bridgeOf(endpoint.networkId).icc) return;
      if (ports.length > 0) {
        if (!context.firewall) {
          throw notImplemented('links where containers do not reach each other (icc off) need rules (--iptables)');
        }
        if (!forwards(false)) {
          throw unavailable('links where containers do not reach each other (icc off) need a host that forwards', {
            hint: 'turn on net.ipv4.ip_forward (or the daemon’s --ip-forward)',
          });
        }
      }
      await context.firewall?.link(endpoint, ports);
    },

    async resumePorts(endpoint, shim) {
      await holdAgain(endpoint, shim, context.firewall !== undefined);
    },

    async started(_network, endpoint) {
      if (endpoint.ports.length > 0) await context.firewall?.forgetConnections(endpoint);
    },

    async detach(_network, endpoint) {
      const bridge = bridgeOf(endpoint.networkId);
      if (!bridge.endpoints.delete(hostLinkName(endpoint.id))) return;
      const removals: (() => Promise<unknown>)[] = [
        () => removePorts(context.firewall, endpoint),
        () => context.run(removalSteps(endpoint, bridge.device.index, linkIndex(hostLinkName(endpoint.id)))),
      ];
      const work = Promise.all(
        removals.map(async removal => {
          try {
            await removal();
          } catch (error) {
            context.warn(`removing endpoint ${endpoint.id} from network ${endpoint.networkName}`, error);
          }
        }),
      ).then(() => {});
      leaving.set(endpoint, work);
      await work;
      leaving.delete(endpoint);
      ended.add(hostLinkName(endpoint.id));
      context.ports.release(endpoint.ports);
      bridge.addresses.release(endpoint);
    },

    adopt(_network, endpoint) {
      const bridge = bridgeOf(endpoint.networkId);
      bridge.endpoints.set(hostLinkName(endpoint.id), endpoint);
      context.ports.adopt(endpoint.ports);
      bridge.addresses.adopt(endpoint);
    },

    async reconcile() {
      const view = context.readView();
      const steps = [...bridges.values()].flatMap(bridge =>
        view.links
          .filter(link => link.master === bridge.device.index && isOurs(link.name) && !bridge.endpoints.has(link.name))
          .map(link => routeStep([netlink.deleteLink({ name: link.name })], [ENODEV])),
      );
      if (steps.length > 0) await context.run(steps);
      await context.firewall?.sweep(() => new Set(context.readView().links.map(link => link.name)));
      await context.firewall?.restore(endpoints());
    },

    async check() {
      for (const [id, bridge] of bridges) if (isMissing(bridge)) await restoreBridge(id);
      await context.firewall?.check(endpoints);
    },
    async close() {
      context.firewall?.close();
      await ended.close();
    },
  };
}

function firewallBridge({ record, device, icc }: OpenBridge): FirewallBridge {
  const { name, subnet, subnet6 } = device;
  const masquerade = isOn(record.options[BridgeOption.masquerade]);
  return {
    name,
    ...(subnet ? { subnet } : {}),
    ...(subnet6 === undefined ? {} : { subnet6 }),
    icc,
    masquerade,
    mode: gatewayMode(record.options[BridgeOption.gatewayMode]),
    mode6: gatewayMode(record.options[BridgeOption.gatewayMode6]),
    internal: record.internal,
    ...(record.options[BridgeOption.hostIPv4] ? { source: record.options[BridgeOption.hostIPv4] } : {}),
    ...(record.options[BridgeOption.hostIPv6] ? { source6: record.options[BridgeOption.hostIPv6] } : {}),
    trusted: trustedLinks(record),
    linkable: isDefault(record),
  };
}

function trustedLinks({ options }: NetworkRecord): string[] {
  // What is no name of a link is kept, as in dockerd, and trusts nobody.
  return (options[BridgeOption.trustedInterfaces] ?? '').split(':').filter(isLinkName);
}

async function removePorts(firewall: Firewall | undefined, endpoint: Endpoint): Promise<void> {
  await firewall?.removePorts(endpoint);
  await firewall?.forgetConnections(endpoint);
}

/** What an option asks for; what it says wrongly was refused when the network was made. */
function gatewayMode(value: string | undefined): GatewayMode {
  return value === 'routed' || value === 'nat-unprotected' || value === 'isolated' ? value : 'nat';
}

function newEndpointId(bridge: OpenBridge): string {
  for (;;) {
    const id = newId();
    if (!bridge.endpoints.has(hostLinkName(id))) return id;
  }
}

function isOurs(linkName: string): boolean {
  return /^gntry[0-9a-f]{7}$/.test(linkName);
}
