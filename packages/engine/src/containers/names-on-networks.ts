import type { Endpoint } from '@gantry/network';
import type { EndpointSettings } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import type { Container } from './container.ts';

type Zone = { readonly names: Map<string, Map<string, string>>; readonly byAddress: Map<string, string> };

/** Who is found under which name on which user-defined network; only containers that run are in it. */
export class NetworkNames {
  readonly #zones = new Map<string, Zone>();
  /** What an endpoint was entered with, so that it leaves whole. */
  readonly #entered = new Map<string, readonly string[]>();

  enter(container: Container, endpoint: Endpoint): void {
    if (!endpoint.ipv4 || !isUserDefinedNetwork(endpoint.networkName)) return;
    this.leave(endpoint);
    const names = dnsNames(container, container.document.networks[endpoint.networkName]).map(name =>
      name.toLowerCase(),
    );
    let zone = this.#zones.get(endpoint.networkId);
    if (!zone) {
      zone = { names: new Map(), byAddress: new Map() };
      this.#zones.set(endpoint.networkId, zone);
    }
    for (const name of names) {
      const holders = zone.names.get(name) ?? new Map<string, string>();
      holders.set(endpoint.id, endpoint.ipv4.address);
      zone.names.set(name, holders);
    }
    zone.byAddress.set(endpoint.ipv4.address, `${container.name}.${endpoint.networkName}`);
    this.#entered.set(endpoint.id, names);
  }

  leave(endpoint: Endpoint): void {
    const zone = this.#zones.get(endpoint.networkId);
    const names = this.#entered.get(endpoint.id);
    if (!zone || !names) return;
    this.#entered.delete(endpoint.id);
    for (const name of names) {
      const holders = zone.names.get(name);
      holders?.delete(endpoint.id);
      if (holders?.size === 0) zone.names.delete(name);
    }
    if (endpoint.ipv4) zone.byAddress.delete(endpoint.ipv4.address);
    if (zone.names.size === 0) this.#zones.delete(endpoint.networkId);
  }

  /** Addresses of a name, seen from a container with these endpoints; `name.network` too. */
  addresses(endpoints: readonly Endpoint[], name: string): string[] | undefined {
    for (const { networkId, networkName } of endpoints) {
      const names = this.#zones.get(networkId)?.names;
      const suffix = `.${networkName.toLowerCase()}`;
      const holders =
        names?.get(name) ?? (name.endsWith(suffix) ? names?.get(name.slice(0, -suffix.length)) : undefined);
      if (holders) return [...holders.values()];
    }
    return undefined;
  }

  nameOf(endpoints: readonly Endpoint[], address: string): string | undefined {
    for (const { networkId } of endpoints) {
      const name = this.#zones.get(networkId)?.byAddress.get(address);
      if (name !== undefined) return name;
    }
    return undefined;
  }
}

/** The names that a container is found by on a user-defined network, in dockerd's order. */
export function dnsNames(container: Container, settings: Partial<EndpointSettings> | undefined): string[] {
  const { id, name, config } = container.document;
  const names = [name, ...(settings?.Aliases ?? []), id.slice(0, 12), config.Hostname];
  return [...new Set(names.filter(one => one !== ''))];
}
