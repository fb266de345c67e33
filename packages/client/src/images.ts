import type {
  ImageDeleteItem,
  ImageExplanation,
  ImageHistoryItem,
  ImageInspect,
  ImageSummary,
  ProgressMessage,
  ReferrersDocument,
} from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import type { Body } from './http.ts';
import { documents } from './json-lines.ts';
import { referencePath } from './reference-path.ts';
import type { Transport } from './transport.ts';

const of = (ref: string) => `/images/${referencePath(ref)}`;

/** A row of GET /images/search. */
export type ImageSearchResult = {
  readonly name: string;
  readonly description: string;
  readonly star_count: number;
  readonly is_official: boolean;
  readonly is_automated: boolean;
};

/** `linux/arm64/v8` as the query parameters of images have it. */
function platformJson(platform: string | undefined): string | undefined {
  if (platform === undefined) return undefined;
  const [os = '', architecture = '', variant] = platform.split('/');
  return JSON.stringify({ os, architecture, variant });
}

/** Local images, and their way in and out. */
export class ImagesClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  list(
    options: {
      readonly all?: boolean;
      readonly filters?: FilterValues;
      readonly sharedSize?: boolean;
      /** With what is known of each platform. */
      readonly manifests?: boolean;
    } = {},
  ): Promise<ImageSummary[]> {
    return this.#transport.json({
      path: '/images/json',
      query: {
        all: options.all,
        filters: filtersQuery(options.filters),
        'shared-size': options.sharedSize,
        manifests: options.manifests,
      },
    });
  }

  async inspect(ref: string, options: { readonly platform?: string } = {}): Promise<ImageInspect> {
    return JSON.parse(await this.inspectText(ref, options)) as ImageInspect;
  }

  inspectText(ref: string, options: { readonly platform?: string } = {}): Promise<string> {
    return this.#transport.text({ path: `${of(ref)}/json`, query: { platform: platformJson(options.platform) } });
  }

  history(ref: string, options: { readonly platform?: string } = {}): Promise<ImageHistoryItem[]> {
    return this.#transport.json({ path: `${of(ref)}/history`, query: { platform: platformJson(options.platform) } });
  }

  prune(filters?: FilterValues): Promise<{ ImagesDeleted: ImageDeleteItem[] | null; SpaceReclaimed: number }> {
    return this.#transport.json({ method: 'POST', path: '/images/prune', query: { filters: filtersQuery(filters) } });
  }

  /** Asks an index for repositories; `limit` 0 leaves their number to the engine. */
  search(
    term: string,
    options: { readonly limit?: number; readonly filters?: FilterValues; readonly authorization?: string } = {},
  ): Promise<ImageSearchResult[]> {
    return this.#transport.json({
      path: '/images/search',
      query: { term, limit: options.limit, filters: filtersQuery(options.filters) },
      headers: options.authorization === undefined ? {} : { 'X-Registry-Auth': options.authorization },
    });
  }

  /** What the image's instructions put where, and what of it nobody needs. Gantry's engine alone answers this. */
  explain(
    ref: string,
    options: { readonly platform?: string; readonly limit?: number; readonly signal?: AbortSignal } = {},
  ): Promise<ImageExplanation> {
    return this.#transport.json({
      path: `/gantry${of(ref)}/explain`,
      query: { platform: platformJson(options.platform), limit: options.limit },
      signal: options.signal,
    });
  }

  /** What refers to an image at its registry. Gantry's engine alone answers this. */
  referrers(
    ref: string,
    options: {
      readonly artifactType?: string | undefined;
      readonly authorization?: string | undefined;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<ReferrersDocument> {
    return this.#transport.json({
      path: `/gantry/distribution/${referencePath(ref)}/referrers`,
      query: { artifactType: options.artifactType },
      headers: options.authorization === undefined ? {} : { 'X-Registry-Auth': options.authorization },
      signal: options.signal,
    });
  }

  async tag(ref: string, repository: string, tag: string): Promise<void> {
    await this.#transport.done({ method: 'POST', path: `${of(ref)}/tag`, query: { repo: repository, tag } });
  }

  remove(
    ref: string,
    options: { readonly force?: boolean; readonly noPrune?: boolean; readonly platforms?: readonly string[] } = {},
  ): Promise<ImageDeleteItem[]> {
    const platforms = (options.platforms ?? []).flatMap(platform => platformJson(platform) ?? []);
    return this.#transport.json({
      method: 'DELETE',
      path: of(ref),
      query: { force: options.force, noprune: options.noPrune, platforms },
    });
  }

  /**
   * Pulls one tag or digest, or every tag of a repository when `tag` is empty; ends with an `error` message when it failed.
   * `explain` asks for an aux message `{ PullTrace }` before the end; dockerd sends none.
   */
  async pull(
    image: string,
    tag: string,
    options: {
      readonly platform?: string;
      readonly authorization?: string;
      readonly explain?: boolean;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<AsyncIterable<ProgressMessage>> {
    const answer = await this.#transport.call({
      method: 'POST',
      path: '/images/create',
      query: { fromImage: image, tag, platform: options.platform, explain: options.explain },
      headers: options.authorization === undefined ? {} : { 'X-Registry-Auth': options.authorization },
      signal: options.signal,
    });
    return documents<ProgressMessage>(answer.body);
  }

  /** Pushes one tag, or every tag of a repository when `tag` is empty; ends with an `error` message when it failed. */
  async push(
    image: string,
    tag: string,
    options: { readonly platform?: string; readonly authorization?: string; readonly signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<ProgressMessage>> {
    const platform = platformJson(options.platform);
    const answer = await this.#transport.call({
      method: 'POST',
      path: `${of(image)}/push`,
      query: { tag, platform },
      // Docker's engines read a header that is there, though empty.
      headers: { 'X-Registry-Auth': options.authorization ?? 'e30=' },
      signal: options.signal,
    });
    return documents<ProgressMessage>(answer.body);
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    options: { readonly quiet?: boolean; readonly platform?: string; readonly signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<ProgressMessage>> {
    const answer = await this.#transport.call({
      method: 'POST',
      path: '/images/load',
      query: { quiet: options.quiet, platform: options.platform },
      headers: { 'Content-Type': 'application/x-tar' },
      body: archive,
      signal: options.signal,
    });
    return documents<ProgressMessage>(answer.body);
  }

  /** @param source a tar stream, or a URL that the engine fetches */
  async import(
    source: AsyncIterable<Uint8Array> | { readonly url: string },
    options: {
      readonly repository?: string;
      readonly tag?: string;
      readonly message?: string;
      readonly changes?: readonly string[];
      readonly platform?: string;
      readonly signal?: AbortSignal;
    },
  ): Promise<AsyncIterable<ProgressMessage>> {
    const changes = (options.changes ?? []).map(change => `&changes=${encodeURIComponent(change)}`).join('');
    const query = new URLSearchParams({
      fromSrc: 'url' in source ? source.url : '-',
      repo: options.repository ?? '',
      tag: options.tag ?? '',
      message: options.message ?? '',
      platform: options.platform ?? '',
    });
    const answer = await this.#transport.call({
      method: 'POST',
      path: `/images/create?${query}${changes}`,
      ...('url' in source ? {} : { body: source }),
      signal: options.signal,
    });
    return documents<ProgressMessage>(answer.body);
  }

  /** A tar archive of the images, as `docker save` writes it. */
  async save(
    refs: readonly string[],
    options: { readonly platform?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Body> {
    const { signal } = options;
    const query = { names: refs, platform: platformJson(options.platform) };
    return (await this.#transport.call({ path: '/images/get', query, signal })).body;
  }
}
