import { isIPv4 } from 'node:net';
import { invalidParameter, systemError, unavailable } from '@gantry/errors';
import { netlink } from '@gantry/linux';
import type { Launcher } from '@gantry/runtime';
import { type BridgeDevice, openBridgeDevice, subnetRecord } from '../bridge-device.ts';
import { compileEndpoint, containerSide, hostLinkName, removalSteps } from '../bridge-endpoint.ts';
import { BridgeOption } from '../bridge-options.ts';
import type { AttachRequest, NetworkDriver } from '../driver.ts';
import type { Endpoint, PublishedPort } from '../face.ts';
import type { Firewall } from '../firewall/firewall.ts';
import type { GatewayMode } from '../firewall/rules.ts';
import type { HostView } from '../host-view.ts';
import { newId } from '../id.ts';
import { AddressPool, type PoolRange } from '../ipam.ts';
import { externalConnectivityError } from '../port-errors.ts';
import type { PortReach, PortTable, ReserveOptions } from '../ports.ts';
import { holdAgain, republish } from '../republish.ts';
import { routeStep } from '../step.ts';
import { addressNumber, addressText, parseSubnet } from '../subnet.ts';

export type BridgeContext = {
  readonly run: Launcher['run'];
  readonly readView: () => HostView;
  readonly pools: readonly PoolRange[];
  /** Address of the default bridge that the user chose, as `10.1.0.1/24`. */
  readonly bip: string | undefined;
  readonly ports: PortTable;
  /** Published ports go through the host's input rules, by the shim. */
  readonly obeyInput?: boolean;
  /** Undefined when the user wants no rules: published ports are then relayed by the shim. */
  readonly firewall: Firewall | undefined;
  readonly ipv6: boolean;
  /** Index of the first link made in a container's namespace. */
  readonly containerLinkIndex: number;
  readonly bridgeNetfilter: boolean;
  readonly warn: (message: string, error?: unknown) => void;
};

/** A Linux bridge takes this many ports. @see net/bridge/br_private.h, BR_MAX_PORTS */
const MAX_PORTS = 1023;
const ENODEV = 19;

type OpenBridge = {
  readonly device: BridgeDevice;
  readonly pool: AddressPool;
  readonly mtu: number;
  readonly icc: boolean;
  readonly internal: boolean;
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

  const bridgeOf = (networkId: string): OpenBridge => {
    const bridge = bridges.get(networkId);
    if (!bridge) throw systemError(`network ${networkId} is not open`);
    return bridge;
  };

  const endpoints = (): Endpoint[] => [...bridges.values()].flatMap(bridge => [...bridge.endpoints.values()]);

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
      const masquerade = isOn(network.options[BridgeOption.masquerade]);
      const mode = gatewayMode(network.options[BridgeOption.gatewayMode]);
      const mode6 = gatewayMode(network.options[BridgeOption.gatewayMode6]);
      bridges.set(network.id, {
        device,
        pool: new AddressPool(
          device.subnet,
          [device.gateway, ...Object.values(network.subnets[0]?.auxiliary ?? {})].map(addressNumber),
          network.subnets[0]?.ipRange === undefined ? undefined : parseSubnet(network.subnets[0].ipRange),
        ),
        internal: network.internal,
        mtu: Number(network.options[BridgeOption.mtu] ?? 1500),
        icc,
        reach: {
          ipv4: !network.enableIPv4 ? 'relayed' : mode === 'routed' ? 'routed' : 'translated',
          ipv6: !network.enableIPv6 ? 'relayed' : mode6 === 'routed' ? 'routed' : 'translated',
        },
        hostBinding: network.options[BridgeOption.hostBinding],
        endpoints: new Map(),
      });
      await context.firewall?.addBridge({ ...device, icc, masquerade, internal: network.internal, mode, mode6 });
      return { ...network, subnets: [{ ...network.subnets[0], ...subnetRecord(device) }] };
    },

    begin: async () => context.firewall?.begin(),

    async remove(network) {
      const { device } = bridges.get(network.id) ?? {};
      if (!device) return;
      await context.run([routeStep([netlink.deleteLink({ name: device.name })], [ENODEV])]);
      bridges.delete(network.id);
      await context.firewall?.removeBridge(device.name);
    },

    containerSide: (endpoint, interfaceName, index, isGateway) =>
      containerSide(endpoint, interfaceName, index, isGateway, { ...context, bridge: bridgeOf(endpoint.networkId) }),

    unplug: async endpoint => {
      await context.run([routeStep([netlink.deleteLink({ name: hostLinkName(endpoint.id) })], [ENODEV])]);
    },

    async attach(network, request) {
      const bridge = bridgeOf(network.id);
      if (bridge.endpoints.size >= MAX_PORTS) {
        throw unavailable(`network ${network.name} is full: a bridge has at most ${MAX_PORTS} containers`, {
          hint: 'remove containers, or put some on another network',
        });
      }
      const id = newEndpointId(bridge);
      const ports = request.ports.length === 0 ? [] : await reservePorts(bridge, request, id);
      let address: number | undefined;
      try {
        address = takeAddress(bridge.pool, request.ipv4Address);
        const endpoint: Endpoint = {
          id,
          networkId: network.id,
          networkName: network.name,
          containerId: request.containerId,
          interfaceName: request.interfaceName,
          macAddress: request.macAddress === undefined ? macOf(address) : readMac(request.macAddress),
          ipv4: {
            address: addressText(address),
            prefixLength: bridge.pool.subnet.prefixLength,
            gateway: bridge.device.gateway,
          },
          ipv6: undefined,
          ports,
        };
        const attachment = compileEndpoint(
          endpoint,
          request.interfaceName,
          { ...context, bridge },
          request.isGateway ?? /^\D*0$/.test(request.interfaceName),
        );
        bridge.endpoints.set(hostLinkName(id), endpoint);
        return attachment;
      } catch (error) {
        context.ports.release(ports);
        if (address !== undefined) bridge.pool.release(address);
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

    async resumePorts(endpoint, shim) {
      await holdAgain(endpoint, shim, context.firewall !== undefined);
    },

    started: async (_network, endpoint) => context.firewall?.forgetConnections(endpoint),

    async detach(_network, endpoint) {
      const bridge = bridgeOf(endpoint.networkId);
      if (!bridge.endpoints.delete(hostLinkName(endpoint.id))) return;
      const work = Promise.all([
        removePorts(context.firewall, endpoint),
        context.run(removalSteps(endpoint, bridge.device.index)),
      ]).then(
        () => {},
        error => context.warn(`removing endpoint ${endpoint.id} from network ${endpoint.networkName}`, error),
      );
      leaving.set(endpoint, work);
      await work;
      leaving.delete(endpoint);
      context.ports.release(endpoint.ports);
      if (endpoint.ipv4) bridge.pool.release(addressNumber(endpoint.ipv4.address));
    },

    adopt(_network, endpoint) {
      const bridge = bridgeOf(endpoint.networkId);
      bridge.endpoints.set(hostLinkName(endpoint.id), endpoint);
      context.ports.adopt(endpoint.ports);
      if (endpoint.ipv4) bridge.pool.take(addressNumber(endpoint.ipv4.address));
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

    check: async () => context.firewall?.check(endpoints),
    close: () => context.firewall?.close(),
  };
}

async function removePorts(firewall: Firewall | undefined, endpoint: Endpoint): Promise<void> {
  await firewall?.removePorts(endpoint);
  await firewall?.forgetConnections(endpoint);
}

/** What an option asks for; what it says wrongly was refused when the network was made. */
function gatewayMode(value: string | undefined): GatewayMode {
  return value === 'routed' || value === 'nat-unprotected' || value === 'isolated' ? value : 'nat';
}

/** An option that is on unless it says otherwise, in any of Go's words. */
function isOn(value: string | undefined): boolean {
  return value === undefined || /^[1t]/i.test(value);
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

function takeAddress(pool: AddressPool, asked: string | undefined): number {
  if (asked === undefined || asked === '') return pool.allocate();
  if (!isIPv4(asked)) throw invalidParameter(`invalid IPv4 address: ${asked}`);
  const address = addressNumber(asked);
  if (!pool.take(address)) throw unavailable('Address already in use');
  return address;
}

function readMac(text: string): string {
  try {
    return netlink.formatMac(netlink.parseMac(text));
  } catch (cause) {
    throw invalidParameter(`invalid MAC address: ${text}`, { cause });
  }
}

/** Made of the address, so that a neighbour that remembers the address is never wrong about it. */
function macOf(address: number): string {
  return netlink.formatMac(Uint8Array.of(2, 0x42, address >>> 24, address >>> 16, address >>> 8, address));
}
