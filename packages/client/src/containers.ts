import type {
  ContainerChange,
  ContainerConfig,
  ContainerInspect,
  ContainerSummary,
  HostConfig,
  NetworkingConfig,
  PortMap,
  Resources,
  RestartPolicy,
  StartExplanation,
  StatsDocument,
  WaitCondition,
} from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import { Hijacked } from './hijack.ts';
import type { Body } from './http.ts';
import { documents } from './json-lines.ts';
import type { Transport } from './transport.ts';

/** What a create request may leave out is left to the engine. */
export type ContainerCreateBody = Partial<ContainerConfig> & {
  HostConfig?: Partial<HostConfig>;
  NetworkingConfig?: Partial<NetworkingConfig>;
};

export type AttachStreams = {
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Replay what the container wrote so far. */
  readonly logs?: boolean;
  readonly detachKeys?: string;
};

export type ContainerLogsOptions = {
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly follow?: boolean;
  /** Unix seconds with a fraction, `1700000000.000000000`. */
  readonly since?: string;
  readonly until?: string;
  readonly timestamps?: boolean;
  readonly details?: boolean;
  readonly tail?: string;
};

/** What is at a path of a container; `mode` has the bits of Go's os.FileMode. */
export type PathStat = { name: string; size: number; mode: number; mtime: string; linkTarget: string };

export type CommitOptions = {
  readonly repository?: string;
  readonly tag?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly pause?: boolean;
  readonly changes?: readonly string[];
};

export type WaitResult = { StatusCode: number; Error?: { Message: string } | null };

const of = (ref: string) => `/containers/${encodeURIComponent(ref)}`;

/** Containers, by name, id or id prefix. */
export class ContainersClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(
    body: ContainerCreateBody,
    options: { readonly name?: string; readonly platform?: string; readonly signal?: AbortSignal } = {},
  ): Promise<{ Id: string; Warnings: string[] | null }> {
    return this.#transport.json({
      method: 'POST',
      path: '/containers/create',
      query: { name: options.name, platform: options.platform },
      json: body,
      signal: options.signal,
    });
  }

  list(
    options: {
      readonly all?: boolean;
      readonly limit?: number;
      readonly size?: boolean;
      readonly filters?: FilterValues;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<ContainerSummary[]> {
    return this.#transport.json({
      path: '/containers/json',
      query: {
        all: options.all,
        limit: options.limit === undefined || options.limit < 0 ? undefined : options.limit,
        size: options.size,
        filters: filtersQuery(options.filters),
      },
      signal: options.signal,
    });
  }

  async inspect(
    ref: string,
    options: { readonly size?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<ContainerInspect> {
    return JSON.parse(await this.inspectText(ref, options)) as ContainerInspect;
  }

  /** The document as the engine wrote it: order of keys, long integers. */
  inspectText(ref: string, options: { readonly size?: boolean; readonly signal?: AbortSignal } = {}): Promise<string> {
    return this.#transport.text({ path: `${of(ref)}/json`, query: { size: options.size }, signal: options.signal });
  }

  /** Tells whether it was started by this call. */
  async start(
    ref: string,
    options: { readonly detachKeys?: string; readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    return (await this.#post(ref, 'start', { detachKeys: options.detachKeys }, options.signal)) !== 304;
  }

  /** Starts it and tells how, step by step (Gantry's own); undefined when it ran already, or the engine is another's. */
  async explainStart(ref: string): Promise<StartExplanation | undefined> {
    const text = await this.#transport.text({ method: 'POST', path: `${of(ref)}/start`, query: { explain: true } });
    return text === '' ? undefined : (JSON.parse(text) as StartExplanation);
  }

  async stop(
    ref: string,
    options: { readonly timeoutSeconds?: number; readonly stopSignal?: string; readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const query = { t: options.timeoutSeconds, signal: options.stopSignal };
    return (await this.#post(ref, 'stop', query, options.signal)) !== 304;
  }

  async restart(
    ref: string,
    options: { readonly timeoutSeconds?: number; readonly stopSignal?: string; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#post(ref, 'restart', { t: options.timeoutSeconds, signal: options.stopSignal }, options.signal);
  }

  async kill(ref: string, killSignal?: string, signal?: AbortSignal): Promise<void> {
    await this.#post(ref, 'kill', { signal: killSignal }, signal);
  }

  async pause(ref: string): Promise<void> {
    await this.#post(ref, 'pause', {});
  }

  async unpause(ref: string): Promise<void> {
    await this.#post(ref, 'unpause', {});
  }

  async rename(ref: string, name: string): Promise<void> {
    await this.#post(ref, 'rename', { name });
  }

  async resize(ref: string, rows: number, columns: number): Promise<void> {
    await this.#post(ref, 'resize', { h: rows, w: columns });
  }

  /** Changes limits and the restart policy; `PortBindings` (ours) replaces all published ports, while it runs too. */
  update(
    ref: string,
    changes: Partial<Resources> & { RestartPolicy?: RestartPolicy; PortBindings?: PortMap },
  ): Promise<{ Warnings: string[] | null }> {
    return this.#transport.json({ method: 'POST', path: `${of(ref)}/update`, json: changes });
  }

  prune(filters?: FilterValues): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#transport.json({
      method: 'POST',
      path: '/containers/prune',
      query: { filters: filtersQuery(filters) },
    });
  }

  /** Samples of what a container uses: one each second, or one alone. */
  async stats(
    ref: string,
    options: { readonly stream: boolean; readonly signal?: AbortSignal },
  ): Promise<AsyncIterable<StatsDocument>> {
    // A value of its own, since `false` is what queries leave out.
    const path = `${of(ref)}/stats?stream=${options.stream ? 1 : 0}`;
    return documents<StatsDocument>((await this.#transport.call({ path, signal: options.signal })).body);
  }

  async remove(
    ref: string,
    options: {
      readonly force?: boolean;
      readonly volumes?: boolean;
      readonly link?: boolean;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<void> {
    await this.#transport.done({
      method: 'DELETE',
      path: of(ref),
      query: { force: options.force, v: options.volumes, link: options.link },
      signal: options.signal,
    });
  }

  /**
   * Starts to wait. The outer promise resolves when the engine has registered the wait, so that a start that follows is
   * not missed; `ended` resolves with the status.
   */
  async wait(
    ref: string,
    condition: WaitCondition = 'not-running',
    signal?: AbortSignal,
  ): Promise<{ readonly ended: Promise<WaitResult> }> {
    const answer = await this.#transport.call({
      method: 'POST',
      path: `${of(ref)}/wait`,
      query: { condition },
      signal,
    });
    const read = async (): Promise<WaitResult> => {
      const pieces: Buffer[] = [];
      for await (const piece of answer.body) pieces.push(piece);
      return JSON.parse(Buffer.concat(pieces).toString()) as WaitResult;
    };
    const ended = read();
    ended.catch(() => {}); // a caller that stops before it looks must not bring the process down
    return { ended };
  }

  /** @param tty whether the container has a terminal; when not given, the answer's media type tells (API 1.42) */
  async attach(
    ref: string,
    streams: AttachStreams,
    options: { readonly tty?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Hijacked> {
    const { socket, head } = await this.#transport.hijack({
      method: 'POST',
      path: `${of(ref)}/attach`,
      query: { stream: true, ...streams },
      headers: { 'Content-Type': 'text/plain' },
      signal: options.signal,
    });
    const raw = options.tty ?? head.headers.get('content-type') !== 'application/vnd.docker.multiplexed-stream';
    return new Hijacked(socket, raw);
  }

  /** The bytes as the engine sends them: frames, or raw for a container with a terminal. */
  async logs(ref: string, options: ContainerLogsOptions, signal?: AbortSignal): Promise<Body> {
    const answer = await this.#transport.call({ path: `${of(ref)}/logs`, query: { ...options }, signal });
    return answer.body;
  }

  /** Describes what is at a path; a link at its end is not followed. @throws ApiError 404 */
  async stat(ref: string, path: string): Promise<PathStat> {
    const answer = await this.#transport.call({ method: 'HEAD', path: `${of(ref)}/archive`, query: { path } });
    for await (const _ of answer.body);
    return pathStat(answer.headers);
  }

  /** A tar archive of what is at a path. */
  async readArchive(
    ref: string,
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly stat: PathStat; readonly body: Body }> {
    const answer = await this.#transport.call({ path: `${of(ref)}/archive`, query: { path }, signal });
    return { stat: pathStat(answer.headers), body: answer.body };
  }

  /** Extracts a tar archive into the directory `path`. */
  async writeArchive(
    ref: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKind?: boolean; readonly ownedByUser?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#transport.done({
      method: 'PUT',
      path: `${of(ref)}/archive`,
      query: { path, noOverwriteDirNonDir: options.keepKind, copyUIDGID: options.ownedByUser },
      headers: { 'Content-Type': 'application/x-tar' },
      body: archive,
      signal: options.signal,
    });
  }

  /** The root file system as a tar archive. */
  async export(ref: string, signal?: AbortSignal): Promise<Body> {
    return (await this.#transport.call({ path: `${of(ref)}/export`, signal })).body;
  }

  async changes(ref: string): Promise<ContainerChange[]> {
    return (await this.#transport.json<ContainerChange[] | null>({ path: `${of(ref)}/changes` })) ?? [];
  }

  /** Makes an image of a container. */
  commit(ref: string, options: CommitOptions = {}): Promise<{ Id: string }> {
    const changes = (options.changes ?? []).map(change => `&changes=${encodeURIComponent(change)}`).join('');
    const query = new URLSearchParams({
      container: ref,
      repo: options.repository ?? '',
      tag: options.tag ?? '',
      author: options.author ?? '',
      comment: options.comment ?? '',
      pause: options.pause === false ? '0' : '1',
    });
    return this.#transport.json({ method: 'POST', path: `/commit?${query}${changes}` });
  }

  top(ref: string, psArgs = ''): Promise<{ Titles: string[]; Processes: string[][] | null }> {
    return this.#transport.json({ path: `${of(ref)}/top`, query: { ps_args: psArgs } });
  }

  #post(
    ref: string,
    verb: string,
    query: Readonly<Record<string, string | number | undefined>>,
    signal?: AbortSignal,
  ): Promise<number> {
    return this.#transport.done({ method: 'POST', path: `${of(ref)}/${verb}`, query, signal });
  }
}

function pathStat(headers: ReadonlyMap<string, string>): PathStat {
  const text = headers.get('x-docker-container-path-stat') ?? '';
  return JSON.parse(Buffer.from(text, 'base64').toString()) as PathStat;
}
