import { forbidden, isGantryError } from '@gantry/errors';
import { type AskedSubnet, NetworkInUse, type NetworkRecord } from '@gantry/network';
import type { EngineContext } from './context.ts';
import type { IpamConfig, NetworkCreateRequest } from './documents/index.ts';
import type { Filters } from './engine.ts';
import { checkFilters, matchesPruneLabels, untilFilter } from './filters.ts';
import { fromMs, nowNs } from './time.ts';

const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);
const PRUNE_KEYS: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/**
 * Makes a network of a user.
 * @throws conflict (name), forbidden, invalidParameter, notFound (driver, configuration), unavailable (pools exhausted)
 */
export function createNetwork(
  context: EngineContext,
  request: NetworkCreateRequest,
): Promise<{ Id: string; Warning: string }> {
  return context.jobs.run('network.create', request.Name, async () => {
    const { EnableIPv4, EnableIPv6, IPAM, ConfigFrom } = request;
    const { network, warning } = await context.options.networks.create({
      name: request.Name,
      driver: request.Driver ?? '',
      scope: request.Scope ?? '',
      internal: request.Internal ?? false,
      attachable: request.Attachable ?? false,
      ingress: request.Ingress ?? false,
      ...(EnableIPv4 === undefined || EnableIPv4 === null ? {} : { enableIPv4: EnableIPv4 }),
      ...(EnableIPv6 === undefined || EnableIPv6 === null ? {} : { enableIPv6: EnableIPv6 }),
      ipamDriver: IPAM?.Driver ?? '',
      ipamOptions: IPAM?.Options ?? null,
      subnets: (IPAM?.Config ?? []).map(askedSubnet),
      configOnly: request.ConfigOnly ?? false,
      configFrom: ConfigFrom?.Network ?? '',
      options: request.Options ?? {},
      labels: request.Labels ?? {},
    });
    publish(context, 'create', network);
    return { Id: network.id, Warning: warning };
  });
}

function askedSubnet({ Subnet = '', Gateway, IPRange, AuxiliaryAddresses }: IpamConfig): AskedSubnet {
  return {
    subnet: Subnet,
    ...(Gateway ? { gateway: Gateway } : {}),
    ...(IPRange ? { ipRange: IPRange } : {}),
    ...(AuxiliaryAddresses ? { auxiliary: AuxiliaryAddresses } : {}),
  };
}

/** Removes a network that nothing uses. @throws forbidden */
export function removeNetwork(context: EngineContext, network: NetworkRecord): Promise<void> {
  return context.jobs.run('network.remove', network.id, async () => {
    if (PREDEFINED.has(network.name)) {
      throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
    }
    try {
      await context.options.networks.remove(network.id);
    } catch (error) {
      if (!(error instanceof NetworkInUse)) throw error;
      const users = error.users.map(({ id, containerId }) => {
        const name = context.containers.get(containerId)?.name ?? containerId;
        return `name:"${name}" id:"${id.slice(0, 12)}"`;
      });
      throw forbidden(
        `error while removing network: network ${network.name} has active endpoints (${users.join(', ')})`,
        { cause: error, hint: 'disconnect or stop these containers first' },
      );
    }
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
    try {
      await removeNetwork(context, network);
      deleted.push(network.name);
    } catch (error) {
      // In use, or gone, since it was looked at.
      if (!isGantryError(error, 'forbidden') && !isGantryError(error, 'notFound')) throw error;
    }
  }
  context.events.publish('network', 'prune', '', { reclaimed: '0' });
  return { NetworksDeleted: deleted.length === 0 ? null : deleted };
}

function publish(context: EngineContext, action: string, network: NetworkRecord): void {
  context.events.publish('network', action, network.id, { name: network.name, type: network.driver });
}
