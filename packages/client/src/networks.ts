import type { NetworkInspect } from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import type { Transport } from './transport.ts';

export class NetworksClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  list(filters?: FilterValues): Promise<NetworkInspect[]> {
    return this.#transport.json({ path: '/networks', query: { filters: filtersQuery(filters) } });
  }

  inspectText(ref: string): Promise<string> {
    return this.#transport.text({ path: `/networks/${encodeURIComponent(ref)}` });
  }
}
