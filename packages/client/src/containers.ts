import type {
  ContainerConfig,
  ContainerInspect,
  ContainerSummary,
  HostConfig,
  NetworkingConfig,
  Resources,
  RestartPolicy,
  WaitCondition,
} from '@gantry/engine';
import { type FilterValues, filtersQuery } from './filters.ts';
import { Hijacked } from './hijack.ts';
import type { Body } from './http.ts';
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

  update(
    ref: string,
    changes: Partial<Resources> & { RestartPolicy?: RestartPolicy },
  ): Promise<{ Warnings: string[] | null }> {
    return this.#transport.json({ method: 'POST', path: `${of(ref)}/update`, json: changes });
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
