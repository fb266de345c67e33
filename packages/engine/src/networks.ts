import { invalidParameter, isGantryError, notFound } from '@gantry/errors';
import type { NetworkRecord } from '@gantry/network';
import { connectNetwork, disconnectNetwork } from './containers/connect.ts';
import type { Container } from './containers/container.ts';
import type { EngineContext } from './context.ts';
import type { NetworkContainer, NetworkInspect } from './documents/index.ts';
import type { Filters, Networks } from './engine.ts';
import { booleanFilter, checkFilters, matchesPairs, matchesPattern } from './filters.ts';
import { createNetwork, pruneNetworks, removeNetwork } from './network-changes.ts';
import { explainPath } from './network-path.ts';
import { fromMs, rfc3339Nano } from './time.ts';

const KEYS = new Set(['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']);

/** The networks, in Docker's documents. */
export function networksOf(context: EngineContext): Networks {
  const { networks: stack } = context.options;
  return {
    list: async filters => {
      checkFilters(filters, KEYS);
      for (const type of filters.get('type') ?? []) {
        if (type !== 'builtin' && type !== 'custom') throw invalidParameter(`invalid filter: 'type'='${type}'`);
      }
      return stack
        .list()
        .filter(network => matches(context, filters, network))
        .map(network => document(network, {}));
    },
    inspect: async ref => {
      const network = find(context, ref);
      return document(network, containersOn(context, network));
    },
    create: request => createNetwork(context, request),
    remove: async ref => removeNetwork(context, find(context, ref)),
    prune: filters => pruneNetworks(context, filters),
    explain: async (from, to, protocol) => explainPath(context, from, to, protocol),
    connect: async (ref, container, settings) => {
      // In dockerd's order: of two that are not there the container is named.
      const found = context.containers.find(container);
      await connectNetwork(context, found, find(context, ref), settings);
    },
    disconnect: async (ref, container, force) => {
      const network = force ? find(context, ref) : undefined;
      const found = containerToDisconnect(context, container, force);
      await disconnectNetwork(context, found, network ?? find(context, ref));
    },
  };
}

function find(context: EngineContext, ref: string): NetworkRecord {
  if (ref === '') throw notFound(`network ${ref} not found`);
  return context.options.networks.get(ref);
}

/** With force, dockerd looks for an endpoint of that name, which a container that is gone may have left; here none does. */
function containerToDisconnect(context: EngineContext, ref: string, force: boolean): Container {
  try {
    return context.containers.find(ref);
  } catch (error) {
    throw force && isGantryError(error, 'notFound') ? notFound(`endpoint ${ref} not found`, { cause: error }) : error;
  }
}

const BUILTIN = new Set(['bridge', 'host', 'none']);

function matches(context: EngineContext, filters: Filters, network: NetworkRecord): boolean {
  if (!matchesPattern(filters, 'name', network.name) || !matchesPattern(filters, 'id', network.id)) return false;
  if (filters.has('driver') && !filters.get('driver')?.has(network.driver)) return false;
  if (filters.has('scope') && !filters.get('scope')?.has(network.scope)) return false;
  if (!matchesPairs(filters, 'label', network.labels)) return false;
  if (filters.has('type') && !filters.get('type')?.has(BUILTIN.has(network.name) ? 'builtin' : 'custom')) return false;
  const wanted = filters.get('dangling');
  if (!wanted) return true;
  if ([...wanted].some(value => !['true', '1', 'false', '0'].includes(value))) {
    throw invalidParameter('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")');
  }
  const dangling = !BUILTIN.has(network.name) && context.options.networks.endpoints(network.id).length === 0;
  return booleanFilter(filters, 'dangling', false) === dangling;
}

function containersOn(context: EngineContext, network: NetworkRecord): Record<string, NetworkContainer> {
  const containers: Record<string, NetworkContainer> = {};
  for (const endpoint of context.options.networks.endpoints(network.id)) {
    const { ipv4, ipv6 } = endpoint;
    containers[endpoint.containerId] = {
      Name: context.containers.get(endpoint.containerId)?.name ?? '',
      EndpointID: endpoint.id,
      MacAddress: endpoint.macAddress,
      IPv4Address: ipv4 ? `${ipv4.address}/${ipv4.prefixLength}` : '',
      IPv6Address: ipv6 ? `${ipv6.address}/${ipv6.prefixLength}` : '',
    };
  }
  return containers;
}

function document(network: NetworkRecord, containers: Record<string, NetworkContainer>): NetworkInspect {
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339Nano(fromMs(network.createdAtMs)),
    Scope: network.scope,
    Driver: network.driver,
    EnableIPv4: network.enableIPv4,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: network.ipam?.driver ?? 'default',
      Options: network.ipam?.options ?? null,
      Config:
        network.subnets.length === 0
          ? null
          : network.subnets.map(({ subnet, gateway, ipRange, auxiliary, asked }) => ({
              Subnet: subnet,
              ...(ipRange === undefined ? {} : { IPRange: ipRange }),
              // As dockerd: of a subnet that was asked for, what was asked for.
              ...(gateway === '' || asked === 'subnet' ? {} : { Gateway: gateway }),
              ...(auxiliary === undefined ? {} : { AuxiliaryAddresses: { ...auxiliary } }),
            })),
    },
    Internal: network.internal,
    Attachable: network.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom ?? '' },
    ConfigOnly: network.configOnly ?? false,
    Containers: containers,
    Options: { ...network.options },
    Labels: { ...network.labels },
  };
}
