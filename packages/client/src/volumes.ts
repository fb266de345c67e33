import type { VolumeDocument } from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import type { Transport } from './transport.ts';

export class VolumesClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(options: {
    Name?: string;
    Driver?: string;
    DriverOpts?: Record<string, string>;
    Labels?: Record<string, string>;
  }): Promise<VolumeDocument> {
    return this.#transport.json({ method: 'POST', path: '/volumes/create', json: options });
  }

  list(filters?: FilterValues): Promise<{ Volumes: VolumeDocument[] | null; Warnings: string[] | null }> {
    return this.#transport.json({ path: '/volumes', query: { filters: filtersQuery(filters) } });
  }

  inspectText(name: string): Promise<string> {
    return this.#transport.text({ path: `/volumes/${encodeURIComponent(name)}` });
  }

  async remove(name: string, force = false): Promise<void> {
    await this.#transport.done({ method: 'DELETE', path: `/volumes/${encodeURIComponent(name)}`, query: { force } });
  }
}
