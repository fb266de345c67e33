import { closeSync, openSync } from 'node:fs';
import { systemError } from '@gantry/errors';
import { netlink } from '@gantry/linux';
import type { Launcher, Step } from '@gantry/runtime';
import { containerSide, defaultRoutes } from '../container-link.ts';
import type { NetworkDriver } from '../driver.ts';
import { EndpointAddresses } from '../endpoint-addresses.ts';
import type { Endpoint, NetworkRecord } from '../face.ts';
import type { HostView } from '../host-view.ts';
import { newId } from '../id.ts';
import { mtuOf } from '../network-options.ts';
import { makeParent, type ParentLink, parentOf, removeParent } from '../parent-link.ts';
import { childNamespace, routeStep } from '../step.ts';

export type SubInterfaceContext = {
  readonly run: Launcher['run'];
  readonly readView: () => HostView;
  /** The index that a link of the host has, undefined when there is none of that name; cheap. */
  readonly linkIndex: (name: string) => number | undefined;
  readonly ipv6: boolean;
  /** Index of the first link made in a container's namespace. */
  readonly containerLinkIndex: number;
};

/** How the links of one kind differ from those of another. */
export type SubInterfaceKind = {
  readonly name: 'macvlan' | 'ipvlan';
  readonly create: (
    network: NetworkRecord,
    name: string,
    macAddress: string,
    link: netlink.StackedLink,
  ) => netlink.Message;
  /** Whether containers have MAC addresses of their own. */
  readonly ownMac: (network: NetworkRecord) => boolean;
  readonly routesIntoLink: (network: NetworkRecord) => boolean;
};

type OpenNetwork = {
  readonly record: NetworkRecord;
  readonly parent: ParentLink;
  readonly addresses: EndpointAddresses;
};

const ENODEV = 19;
const CLONE_NEWNET = 0x40000000;

/** Containers on a link of the host by links on top of it, without a bridge: macvlan and ipvlan. */
export function subInterfaceDriver(kind: SubInterfaceKind, context: SubInterfaceContext): NetworkDriver {
  const networks = new Map<string, OpenNetwork>();
  /**
   * The network namespaces of running containers, by endpoint. The kernel ends them some time after their last process;
   * until then the parent knows their links' MAC and IP addresses, and refuses the next container that has them.
   */
  const namespaces = new Map<string, number>();
  const release = (endpointId: string): void => {
    const fd = namespaces.get(endpointId);
    if (fd !== undefined) closeSync(fd);
    namespaces.delete(endpointId);
  };
  const networkOf = (id: string): OpenNetwork => {
    const network = networks.get(id);
    if (!network) throw systemError(`network ${id} is not open`);
    return network;
  };
  const inside = ({ record }: OpenNetwork) => ({
    ipv6: context.ipv6,
    internal: record.internal,
    routesIntoLink: kind.routesIntoLink(record),
  });
  /** The parent's index; one that we made is made again when somebody removed it. */
  const parentIndex = async ({ record, parent }: OpenNetwork): Promise<number> => {
    const index = context.linkIndex(parent.name);
    if (index !== undefined) return index;
    await makeParent(parentOf(record, context.readView()), context.run, context.readView());
    const made = context.linkIndex(parent.name);
    if (made === undefined) throw systemError(`-o parent interface was not found on the host: ${parent.name}`);
    return made;
  };
  const othersOn = (name: string, networkId: string): boolean =>
    [...networks.values()].some(other => other.parent.name === name && other.record.id !== networkId);

  return {
    name: kind.name,

    async open(record) {
      const view = context.readView();
      const found = parentOf(record, view);
      // A VLAN that is there because another network of ours, or this one before a restart, made it.
      const made =
        found.made ??
        (record.madeLink || [...networks.values()].some(other => other.parent.name === found.name && other.parent.made)
          ? 'vlan'
          : undefined);
      const parent: ParentLink = { name: found.name, made };
      if (found.made) await makeParent(found, context.run, view);
      else if (made) await context.run([routeStep([netlink.setLink({ name: found.name }, { up: true })], [ENODEV])]);
      networks.set(record.id, { record, parent, addresses: new EndpointAddresses(record) });
      return made ? { ...record, madeLink: true } : record;
    },

    async remove(record) {
      const network = networks.get(record.id);
      if (!network) return;
      networks.delete(record.id);
      if (network.parent.made && !othersOn(network.parent.name, record.id)) {
        await removeParent(network.parent.name, context.run);
      }
    },

    containerSide: (endpoint, interfaceName, index, gateways) =>
      containerSide(endpoint, interfaceName, index, gateways, inside(networkOf(endpoint.networkId))),

    defaultRoutes: (endpoint, index, gateways) =>
      defaultRoutes(endpoint, index, gateways, inside(networkOf(endpoint.networkId))),

    unplug: ({ interfaceName = '' }) => ({
      host: [],
      inside: [routeStep([netlink.deleteLink({ name: interfaceName })], [ENODEV])],
    }),

    async attach(record, request) {
      const network = networkOf(record.id);
      const parent = await parentIndex(network);
      const { interfaceName } = request;
      const place = request.place ?? Number(/\d+$/.exec(interfaceName)?.[0] ?? 0);
      const gateways = request.gateways ?? { ipv4: place === 0, ipv6: place === 0 };
      const taken = network.addresses.take(request);
      const endpoint: Endpoint = {
        id: newId(),
        networkId: record.id,
        networkName: record.name,
        containerId: request.containerId,
        interfaceName,
        ...taken,
        macAddress: kind.ownMac(record) ? taken.macAddress : '',
        ports: [],
        ...(request.linkLocal ? { linkLocal: request.linkLocal } : {}),
        ...(request.sysctls ? { sysctls: request.sysctls } : {}),
      };
      const mtu = mtuOf(record.options);
      const link: netlink.StackedLink = {
        parent,
        namespace: childNamespace,
        ...(record.options['com.docker.network.driver.mtu'] === undefined ? {} : { mtu }),
        ...(endpoint.macAddress === '' ? {} : { macAddress: endpoint.macAddress }),
      };
      return {
        endpoint,
        prepare: [],
        parent: [routeStep([kind.create(record, interfaceName, endpoint.macAddress, link)])],
        child: containerSide(endpoint, interfaceName, context.containerLinkIndex + place, gateways, inside(network)),
      };
    },

    async started(_record, { id }, pid) {
      release(id);
      try {
        namespaces.set(id, openSync(`/proc/${pid}/ns/net`, 'r'));
      } catch (error) {
        // It has ended already, and its namespace with it.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    },

    async detach(_record, endpoint) {
      const fd = namespaces.get(endpoint.id);
      if (fd !== undefined) {
        namespaces.delete(endpoint.id);
        const enter: Step = { op: 'setns', slot: 0, flags: CLONE_NEWNET };
        const name = endpoint.interfaceName ?? '';
        await context
          .run([enter, routeStep([netlink.deleteLink({ name })], [ENODEV])], [fd])
          .finally(() => closeSync(fd));
      }
      networks.get(endpoint.networkId)?.addresses.release(endpoint);
    },

    adopt: (record, endpoint) => networkOf(record.id).addresses.adopt(endpoint),
    reconcile: async () => {},
    check: async () => {},
    close: () => {
      for (const id of [...namespaces.keys()]) release(id);
    },
  };
}
