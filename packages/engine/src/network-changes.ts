import { forbidden, invalidParameter, notImplemented } from '@gantry/errors';
import type { NetworkRecord } from '@gantry/network';
import type { EngineContext } from './context.ts';
import type { IpamConfig, NetworkCreateRequest } from './documents/index.ts';
import type { Filters } from './engine.ts';
import { checkFilters, matchesPruneLabels, untilFilter } from './filters.ts';
import { fromMs, nowNs } from './time.ts';

const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);
const PRUNE_KEYS: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/** Makes a network of a user. @throws conflict, forbidden, invalidParameter, notImplemented */
export function createNetwork(
  context: EngineContext,
  request: NetworkCreateRequest,
): Promise<{ Id: string; Warning: string }> {
  return context.jobs.run('network.create', request.Name, async () => {
    refuseUnbuilt(request);
    const [config, ...more] = request.IPAM?.Config ?? [];
    if (more.length > 0) {
      throw notImplemented('a network with several subnets is not built yet', { hint: 'give one IPv4 subnet' });
    }
    const subnet = config && subnetOf(config);
    const network = await context.options.networks.create({
      name: request.Name,
      driver: request.Driver || 'bridge',
      internal: request.Internal ?? false,
      attachable: request.Attachable ?? false,
      ...(subnet ? { subnet } : {}),
      options: request.Options ?? {},
      labels: request.Labels ?? {},
    });
    publish(context, 'create', network);
    return { Id: network.id, Warning: '' };
  });
}

function subnetOf(config: IpamConfig) {
  if (!config.Subnet) {
    if (!config.Gateway && !config.IPRange) return undefined;
    throw invalidParameter('invalid network config:\nevery ip-range or gateway must have a corresponding subnet');
  }
  return {
    subnet: config.Subnet,
    ...(config.Gateway ? { gateway: config.Gateway } : {}),
    ...(config.IPRange ? { ipRange: config.IPRange } : {}),
    ...(config.AuxiliaryAddresses ? { auxiliary: config.AuxiliaryAddresses } : {}),
  };
}

function refuseUnbuilt(request: NetworkCreateRequest): void {
  const unbuilt = (what: string, hint: string): Error => notImplemented(`${what} is not built yet`, { hint });
  if (request.EnableIPv6) throw unbuilt('IPv6 for a network', 'leave out --ipv6');
  if (request.EnableIPv4 === false) throw unbuilt('a network without IPv4', 'leave out --ipv4=false');
  if (request.ConfigOnly || request.ConfigFrom?.Network) {
    throw unbuilt('a network configuration', 'leave out --config-only and --config-from');
  }
  if (request.Ingress) throw unbuilt('an ingress network', 'leave out --ingress');
  if (request.Scope && request.Scope !== 'local') throw unbuilt(`the scope ${request.Scope}`, 'use the scope local');
  const ipam = request.IPAM?.Driver;
  if (ipam && ipam !== 'default') throw unbuilt(`the IPAM driver ${ipam}`, 'use the default one');
}

/** Removes a network that nothing uses. @throws forbidden */
export function removeNetwork(context: EngineContext, network: NetworkRecord): Promise<void> {
  return context.jobs.run('network.remove', network.id, async () => {
    if (PREDEFINED.has(network.name)) {
      throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
    }
    const users = context.options.networks.endpoints(network.id).map(({ id, containerId }) => {
      const name = context.containers.get(containerId)?.name ?? containerId;
      return `name:"${name}" id:"${id.slice(0, 12)}"`;
    });
    if (users.length > 0) {
      throw forbidden(
        `error while removing network: network ${network.name} has active endpoints (${users.join(', ')})`,
        { hint: 'disconnect or stop these containers first' },
      );
    }
    await context.options.networks.remove(network.id);
    publish(context, 'destroy', network);
  });
}

/** Removes the networks of users that no container refers to. */
export async function pruneNetworks(
  context: EngineContext,
  filters: Filters,
): Promise<{ NetworksDeleted: string[] | null }> {
  checkFilters(filters, PRUNE_KEYS);
  const until = untilFilter(filters, nowNs());
  const used = new Set<string>();
  for (const { document } of context.containers.all())
    for (const name of Object.keys(document.networks)) used.add(name);
  const deleted: string[] = [];
  for (const network of [...context.options.networks.list()]) {
    if (PREDEFINED.has(network.name) || used.has(network.name) || used.has(network.id)) continue;
    if (context.options.networks.endpoints(network.id).length > 0) continue;
    if (!matchesPruneLabels(filters, network.labels)) continue;
    if (until !== undefined && fromMs(network.createdAtMs) >= until) continue;
    await removeNetwork(context, network);
    deleted.push(network.name);
  }
  context.events.publish('network', 'prune', '', { reclaimed: '0' });
  return { NetworksDeleted: deleted.length === 0 ? null : deleted };
}

function publish(context: EngineContext, action: string, network: NetworkRecord): void {
  context.events.publish('network', action, network.id, { name: network.name, type: network.driver });
}
