import { ContainersClient } from './containers.ts';
import { ExecsClient } from './execs.ts';
import { type Host, parseHost } from './host.ts';
import { ImagesClient } from './images.ts';
import { ManifestsClient } from './manifests.ts';
import { NetworksClient } from './networks.ts';
import { type Ping, SystemClient } from './system.ts';
import { Transport } from './transport.ts';
import { VolumesClient } from './volumes.ts';

/** The newest Engine API version that this client speaks. */
export const NEWEST_API_VERSION = '1.51';

/**
 * A client of one engine: Gantry's or Docker's.
 *
 * ```ts
 * using engine = new EngineClient('unix:///run/gantry.sock');
 * await engine.negotiate();
 * for (const { Id } of await engine.containers.list()) console.log(Id);
 * ```
 */
export class EngineClient implements Disposable {
  readonly host: Host;
  readonly containers: ContainersClient;
  readonly execs: ExecsClient;
  readonly images: ImagesClient;
  readonly manifests: ManifestsClient;
  readonly networks: NetworksClient;
  readonly system: SystemClient;
  readonly volumes: VolumesClient;
  readonly #transport: Transport;
  #apiVersion: string | undefined;

  constructor(host: string | Host, options: { readonly userAgent?: string; readonly apiVersion?: string } = {}) {
    this.host = typeof host === 'string' ? parseHost(host) : host;
    this.#transport = new Transport(this.host, options.userAgent ?? 'gantry-client');
    if (options.apiVersion !== undefined) this.#use(options.apiVersion);
    this.containers = new ContainersClient(this.#transport);
    this.execs = new ExecsClient(this.#transport);
    this.images = new ImagesClient(this.#transport);
    this.manifests = new ManifestsClient(this.#transport);
    this.networks = new NetworksClient(this.#transport);
    this.system = new SystemClient(this.#transport);
    this.volumes = new VolumesClient(this.#transport);
  }

  /** The version that requests name; undefined before negotiation: the engine takes its newest. */
  get apiVersion(): string | undefined {
    return this.#apiVersion;
  }

  /** Asks the engine who it is, and speaks the newest version that both know. @throws ConnectionError */
  async negotiate(signal?: AbortSignal): Promise<Ping> {
    const ping = await this.system.ping(signal);
    if (this.#apiVersion === undefined) {
      this.#use(isNewer(ping.apiVersion, NEWEST_API_VERSION) ? NEWEST_API_VERSION : ping.apiVersion);
    }
    return ping;
  }

  #use(version: string): void {
    this.#apiVersion = version.replace(/^v/, '');
    this.#transport.versionPrefix = `/v${this.#apiVersion}`;
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }
}

/** Tells whether API version `a` (`1.51`) is newer than `b`. */
export function isNewer(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA === majorB ? minorA > minorB : majorA > majorB;
}
