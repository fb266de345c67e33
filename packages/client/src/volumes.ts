import type { VolumeDocument } from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import type { Body } from './http.ts';
import type { Transport } from './transport.ts';

const of = (name: string): string => `/volumes/${encodeURIComponent(name)}`;

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
    return this.#transport.text({ path: of(name) });
  }

  async inspect(name: string): Promise<VolumeDocument> {
    return JSON.parse(await this.inspectText(name)) as VolumeDocument;
  }

  prune(filters?: FilterValues): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#transport.json({ method: 'POST', path: '/volumes/prune', query: { filters: filtersQuery(filters) } });
  }

  /**
   * The files of a volume as a tar archive.
   * @param options.pause holds the containers that use it while it is read, so that all is of one moment
   */
  async backup(name: string, options: { readonly pause?: boolean; readonly signal?: AbortSignal } = {}): Promise<Body> {
    const { pause, signal } = options;
    return (await this.#transport.call({ path: `${of(name)}/archive`, query: { pause }, signal })).body;
  }

  /** Replaces the files of a volume by those of an archive; makes the volume when it is missing. */
  async restore(name: string, archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    await this.#transport.done({
      method: 'PUT',
      path: `${of(name)}/archive`,
      headers: { 'Content-Type': 'application/x-tar' },
      body: archive,
      signal,
    });
  }

  async remove(name: string, force = false): Promise<void> {
    await this.#transport.done({ method: 'DELETE', path: of(name), query: { force } });
  }
}
