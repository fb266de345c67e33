import type { Endpoint, NetworkRecord } from '@gantry/network';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';

type Candidate = { readonly network: NetworkRecord; readonly priority: number };

/** Who leads to the world: by priority, then by name, as in dockerd; of internal networks none does. By family. */
export function chooseGateways<T extends Candidate>(
  candidates: readonly T[],
): { readonly ipv4: T | undefined; readonly ipv6: T | undefined } {
  const sorted = candidates.filter(({ network }) => !network.internal).toSorted(byPriority);
  return {
    ipv4: sorted.find(({ network }) => leadsOut(network, 4)),
    ipv6: sorted.find(({ network }) => leadsOut(network, 6)),
  };
}

function byPriority(a: Candidate, b: Candidate): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  return a.network.name < b.network.name ? -1 : 1;
}

function leadsOut(network: NetworkRecord, family: 4 | 6): boolean {
  if (network.driver === 'host' || network.driver === 'null') return true;
  return network.subnets.some(({ subnet }) => subnet.includes(':') === (family === 6));
}

/** The endpoints with the default routes of a container, undefined where none leads to the outside. */
export function gatewayEndpoints(
  context: EngineContext,
  { document }: Container,
  endpoints: readonly Endpoint[],
): { readonly ipv4: Endpoint | undefined; readonly ipv6: Endpoint | undefined } {
  const chosen = chooseGateways(
    endpoints.map(endpoint => ({
      endpoint,
      network: context.options.networks.get(endpoint.networkId),
      priority: document.networks[endpoint.networkName]?.GwPriority ?? 0,
    })),
  );
  return { ipv4: chosen.ipv4?.endpoint, ipv6: chosen.ipv6?.endpoint };
}
