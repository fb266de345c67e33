import type { Endpoint } from '@gantry/network';
import type { EndpointSettings } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import type { Container } from './container.ts';
import { parseLink } from './links.ts';

type Addresses = { readonly ipv4: string | undefined; readonly ipv6: string | undefined };
type Zone = { readonly names: Map<string, Map<string, Addresses>>; readonly byAddress: Map<string, string> };
/** What an endpoint was entered with, so that it leaves whole; and what it calls others. */
type Entry = { readonly names: readonly string[]; readonly links: ReadonlyMap<string, string> };

/** Who is found under which name on which user-defined network; only containers that run are in it. */
export class NetworkNames {
  readonly #zones = new Map<string, Zone>();
  readonly #entries = new Map<string, Entry>();
  #version = 0;

  /** Changes with every name that comes, goes, or leads elsewhere. */
  get version(): number {
    return this.#version;
  }

  enter(container: Container, endpoint: Endpoint): void {
    if (!isUserDefinedNetwork(endpoint.networkName)) return;
    const addresses = { ipv4: endpoint.ipv4?.address, ipv6: endpoint.ipv6?.address };
    if (!addresses.ipv4 && !addresses.ipv6) return;
    this.leave(endpoint);
    this.#version++;
    const settings = container.document.networks[endpoint.networkName];
    const names = dnsNames(container, settings).map(name => name.toLowerCase());
    let zone = this.#zones.get(endpoint.networkId);
    if (!zone) {
      zone = { names: new Map(), byAddress: new Map() };
      this.#zones.set(endpoint.networkId, zone);
    }
    for (const name of names) {
      const holders = zone.names.get(name) ?? new Map<string, Addresses>();
      holders.set(endpoint.id, addresses);
      zone.names.set(name, holders);
    }
    const full = `${container.name}.${endpoint.networkName}`;
    for (const address of Object.values(addresses)) if (address) zone.byAddress.set(address, full);
    this.#entries.set(endpoint.id, { names, links: linksOf(settings) });
  }

  leave(endpoint: Endpoint): void {
    const zone = this.#zones.get(endpoint.networkId);
    const entry = this.#entries.get(endpoint.id);
    if (!zone || !entry) return;
    this.#version++;
    this.#entries.delete(endpoint.id);
    for (const name of entry.names) {
      const holders = zone.names.get(name);
      holders?.delete(endpoint.id);
      if (holders?.size === 0) zone.names.delete(name);
    }
    for (const address of [endpoint.ipv4?.address, endpoint.ipv6?.address]) {
      if (address !== undefined) zone.byAddress.delete(address);
    }
    if (zone.names.size === 0) this.#zones.delete(endpoint.networkId);
  }

  /** Addresses of a name in lower case, seen from a container with these endpoints; `name.network` and its links too. */
  addresses(endpoints: readonly Endpoint[], name: string): { ipv4: string[]; ipv6: string[] } | undefined {
    for (const { id, networkId, networkName } of endpoints) {
      const names = this.#zones.get(networkId)?.names;
      if (!names) continue;
      const links = this.#entries.get(id)?.links;
      const called = (one: string) => names.get(links?.get(one) ?? one);
      const suffix = `.${networkName.toLowerCase()}`;
      const holders = called(name) ?? (name.endsWith(suffix) ? called(name.slice(0, -suffix.length)) : undefined);
      if (!holders) continue;
      const all = [...holders.values()];
      return {
        ipv4: all.flatMap(({ ipv4 }) => ipv4 ?? []),
        ipv6: all.flatMap(({ ipv6 }) => ipv6 ?? []),
      };
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

/** What a container calls others on a network: its alias for them to their names. */
function linksOf(settings: Partial<EndpointSettings> | undefined): ReadonlyMap<string, string> {
  const links = (settings?.Links ?? []).map(link => parseLink(link));
  return new Map(links.map(({ name, alias }) => [alias.toLowerCase(), name.toLowerCase()]));
}

/** The names that a container is found by on a user-defined network, in dockerd's order. */
export function dnsNames(container: Container, settings: Partial<EndpointSettings> | undefined): string[] {
  const { id, name, config } = container.document;
  const names = [name, ...(settings?.Aliases ?? []), id.slice(0, 12), config.Hostname];
  return [...new Set(names.filter(one => one !== ''))];
}
