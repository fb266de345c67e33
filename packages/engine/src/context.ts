import { join } from 'node:path';
import { messageOf } from '@gantry/errors';
import { JobLog } from '@gantry/jobs';
import { mountRootBeside } from '@gantry/linux';
import { adoptShim } from '@gantry/runtime';
import type { Container } from './containers/container.ts';
import { NetworkNames } from './containers/names-on-networks.ts';
import { ContainerRegistry } from './containers/registry.ts';
import { ContainerStorage } from './containers/storage.ts';
import { EventLog } from './events.ts';
import { ExecRegistry } from './exec/registry.ts';
import { ImageCondenser } from './image-condenser.ts';
import { LogCompressor } from './logs/compressor.ts';
import type { EngineOptions } from './options.ts';

const CONDENSE_AFTER_MS = 600_000;

/** What every verb of the engine works on. */
export class EngineContext {
  readonly options: EngineOptions;
  readonly containers = new ContainerRegistry();
  readonly execs = new ExecRegistry(ids => {
    void this.inBackground('forget ended execs', this.storage.deleteExecs(ids));
  });
  readonly events = new EventLog();
  readonly jobs = new JobLog();
  readonly names = new NetworkNames();
  readonly logCompressor = new LogCompressor((path, error) => this.log(`compress the log ${path}`, error));
  readonly condenser: ImageCondenser;
  readonly storage: ContainerStorage;
  /** `stopping`: containers are stopped with the engine, no policy starts them. `closed`: exits are left to the next engine. */
  phase: 'open' | 'stopping' | 'closed' = 'open';
  readonly adoptShim: NonNullable<EngineOptions['adoptShim']>;
  readonly mountRoot: NonNullable<EngineOptions['mountRoot']>;
  readonly #background = new Set<Promise<unknown>>();

  constructor(options: EngineOptions) {
    this.options = options;
    this.adoptShim = options.adoptShim ?? adoptShim;
    this.mountRoot = options.mountRoot ?? mountRootBeside;
    this.storage = new ContainerStorage(options.store);
    this.condenser = new ImageCondenser({
      images: options.images,
      jobs: this.jobs,
      afterMs: options.condenseAfterMs ?? CONDENSE_AFTER_MS,
      onError: (what, error) => this.log(what, error),
    });
  }

  containerDir(id: string): string {
    return join(this.options.dataRoot, 'containers', id);
  }

  runDir(id: string): string {
    return join(this.options.execRoot, 'containers', id);
  }

  get trashDir(): string {
    return join(this.options.dataRoot, 'trash');
  }

  log(message: string, error?: unknown): void {
    if (this.options.log) this.options.log(message, error);
    else process.stderr.write(`gantry: ${message}${error === undefined ? '' : `: ${messageOf(error)}`}\n`);
  }

  /** Lets `work` go on while its caller answers; a failure is logged as of `what`. */
  inBackground(what: string, work: Promise<unknown>): Promise<void> {
    const done: Promise<void> = work
      .then(
        () => {},
        (error: unknown) => this.log(what, error),
      )
      .finally(() => this.#background.delete(done));
    this.#background.add(done);
    return done;
  }

  /** Resolves when no background work is left. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  containerEvent(container: Container, action: string, attributes: Record<string, string> = {}): void {
    const { config } = container.document;
    Object.assign(attributes, config.Labels ?? {});
    if (config.Image !== '') attributes.image = config.Image;
    attributes.name = container.name;
    this.events.publish('container', action, container.id, attributes);
  }

  networkEvent(action: string, network: { id: string; name: string; type: string }, containerId: string): void {
    this.events.publish('network', action, network.id, {
      container: containerId,
      name: network.name,
      type: network.type,
    });
  }

  volumeEvent(action: string, name: string, attributes: Record<string, string>): void {
    this.events.publish('volume', action, name, { driver: 'local', ...attributes });
  }
}
