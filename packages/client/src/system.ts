import type { ContainerSummary, EventMessage, ImageSummary, JobDocument, VolumeDocument } from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import { lines } from './json-lines.ts';
import type { Transport } from './transport.ts';

/** What an engine says of itself in the headers of `_ping`. */
export type Ping = {
  readonly apiVersion: string;
  readonly osType: string;
  readonly experimental: boolean;
  /** The engine's product and version, `Docker/28.5.2 (linux)`. */
  readonly server: string;
  readonly headers: ReadonlyMap<string, string>;
};

export type VersionDocument = {
  Platform?: { Name: string };
  Components?: { Name: string; Version: string; Details?: Record<string, string> }[];
  Version: string;
  ApiVersion: string;
  MinAPIVersion?: string;
  GitCommit: string;
  GoVersion: string;
  Os: string;
  Arch: string;
  KernelVersion?: string;
  Experimental?: boolean;
  BuildTime?: string;
};

/** What the data root holds, and what of it is used. Sizes in bytes. */
export type DiskUsage = {
  LayersSize: number;
  Images: ImageSummary[] | null;
  Containers: ContainerSummary[] | null;
  Volumes: VolumeDocument[] | null;
  BuildCache: unknown[] | null;
};

export class SystemClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async ping(signal?: AbortSignal): Promise<Ping> {
    const answer = await this.#transport.call({ method: 'HEAD', path: '/_ping', signal });
    for await (const _ of answer.body);
    return {
      apiVersion: answer.headers.get('api-version') ?? '1.24',
      osType: answer.headers.get('ostype') ?? '',
      experimental: answer.headers.get('docker-experimental') === 'true',
      server: answer.headers.get('server') ?? '',
      headers: answer.headers,
    };
  }

  version(): Promise<VersionDocument> {
    return this.#transport.json({ path: '/version' });
  }

  info(): Promise<Record<string, unknown>> {
    return this.#transport.json({ path: '/info' });
  }

  diskUsage(): Promise<DiskUsage> {
    return this.#transport.json({ path: '/system/df' });
  }

  /** What the engine does and did lately (Gantry's own), oldest first; filters `verb`, `object`, `outcome`. */
  jobs(filters?: FilterValues): Promise<JobDocument[]> {
    return this.#transport.json({ path: '/gantry/jobs', query: { filters: filtersQuery(filters) } });
  }

  /** Removes what builds have kept. */
  pruneBuildCache(
    options: { readonly all?: boolean; readonly filters?: FilterValues } = {},
  ): Promise<{ CachesDeleted: string[] | null; SpaceReclaimed: number }> {
    const query = { all: options.all, filters: filtersQuery(options.filters) };
    return this.#transport.json({ method: 'POST', path: '/build/prune', query });
  }

  /** Has the engine try credentials at their registry. */
  login(credentials: {
    readonly username?: string;
    readonly password?: string;
    readonly identitytoken?: string;
    readonly serveraddress: string;
  }): Promise<{ readonly Status: string; readonly IdentityToken?: string }> {
    return this.#transport.json({ method: 'POST', path: '/auth', json: credentials });
  }

  /** Events from now, or from `since`, until `until` or abort; times are Unix seconds with a fraction. */
  async events(
    options: { readonly since?: string; readonly until?: string; readonly filters?: FilterValues } = {},
    signal?: AbortSignal,
  ): Promise<AsyncIterable<{ readonly event: EventMessage; readonly text: string }>> {
    const answer = await this.#transport.call({
      path: '/events',
      query: { since: options.since, until: options.until, filters: filtersQuery(options.filters) },
      signal,
    });
    return parseEvents(answer.body);
  }
}

async function* parseEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ event: EventMessage; text: string }, void> {
  for await (const text of lines(body)) {
    const event = JSON.parse(text) as EventMessage;
    // JSON.parse rounds what has more than 53 bits.
    const timeNano = /"timeNano":(\d+)/.exec(text)?.[1];
    yield { event: { ...event, timeNano: BigInt(timeNano ?? 0) }, text };
  }
}
