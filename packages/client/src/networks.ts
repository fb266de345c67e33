import type { EndpointSettings, NetworkCreateRequest, NetworkInspect, PacketPath } from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import type { Transport } from './transport.ts';

/** The networks of an engine. */
export class NetworksClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  list(filters?: FilterValues): Promise<NetworkInspect[]> {
    return this.#transport.json({ path: '/networks', query: { filters: filtersQuery(filters) } });
  }

  /** @throws ApiError 404 */
  inspect(ref: string, options: { readonly verbose?: boolean } = {}): Promise<NetworkInspect> {
    return this.#transport.json({ path: pathOf(ref), query: { verbose: options.verbose } });
  }

  /** Ours: the way of a packet from one end (a container, `host`, `outside`, an address, each with a port) to another. */
  explain(from: string, to: string, protocol: string): Promise<PacketPath> {
    return this.#transport.json({ path: '/gantry/path', query: { from, to, protocol } });
  }

  /** The document as the engine wrote it. */
  inspectText(ref: string, options: { readonly verbose?: boolean } = {}): Promise<string> {
    return this.#transport.text({ path: pathOf(ref), query: { verbose: options.verbose } });
  }

  /** @throws ApiError 400 and 403 (what cannot be), 404 (driver, configuration), 409 (the name) */
  create(request: NetworkCreateRequest): Promise<{ readonly Id: string; readonly Warning: string }> {
    return this.#transport.json({ method: 'POST', path: '/networks/create', json: request });
  }

  /** @throws ApiError 403 while containers are on it */
  async remove(ref: string): Promise<void> {
    await this.#transport.done({ method: 'DELETE', path: pathOf(ref) });
  }

  prune(filters?: FilterValues): Promise<{ readonly NetworksDeleted: string[] | null }> {
    return this.#transport.json({ method: 'POST', path: '/networks/prune', query: { filters: filtersQuery(filters) } });
  }

  /** Puts a container on a network, also while it runs. */
  async connect(ref: string, container: string, settings: Partial<EndpointSettings> = {}): Promise<void> {
    await this.#transport.done({
      method: 'POST',
      path: `${pathOf(ref)}/connect`,
      json: { Container: container, EndpointConfig: settings },
    });
  }

  /** Takes a container off a network, also while it runs. */
  async disconnect(ref: string, container: string, { force = false } = {}): Promise<void> {
    await this.#transport.done({
      method: 'POST',
      path: `${pathOf(ref)}/disconnect`,
      json: { Container: container, Force: force },
    });
  }
}

const pathOf = (ref: string): string => `/networks/${encodeURIComponent(ref)}`;
