import { cgroup } from '@gantry/linux';
import type { Container } from '../containers/container.ts';
import { networkOwner } from '../containers/networks.ts';
import type { EngineContext } from '../context.ts';
import type { NetworkStatsDocument } from '../documents/stats.ts';
import { nowNs, rfc3339Nano } from '../time.ts';
import type { Sample } from './document.ts';
import { type HostCpu, readHostCpu, readInterfaces } from './host.ts';

const INTERVAL_MS = 1000;

type Listener = (sample: Sample | undefined) => void;

/**
 * Measures containers once a second while somebody listens, each once however many listen, and nothing otherwise.
 * One that does not run gives undefined.
 */
export class StatsSampler {
  readonly #context: EngineContext;
  readonly #readHost: typeof readHostCpu;
  readonly #listeners = new Map<Container, Set<Listener>>();
  #timer: NodeJS.Timeout | undefined;
  #busy = false;

  constructor(context: EngineContext, readHost = readHostCpu) {
    this.#context = context;
    this.#readHost = readHost;
  }

  /** Calls `listener` at every round, the first of which is now if nobody listened before. */
  listen(container: Container, listener: Listener): Disposable {
    const known = this.#listeners.get(container);
    if (known) known.add(listener);
    else this.#listeners.set(container, new Set([listener]));
    if (this.#timer === undefined && !this.#busy) void this.#round();
    return {
      [Symbol.dispose]: () => {
        const listeners = this.#listeners.get(container);
        listeners?.delete(listener);
        if (listeners?.size === 0) this.#listeners.delete(container);
        if (this.#listeners.size > 0) return;
        clearTimeout(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  async #round(): Promise<void> {
    this.#busy = true;
    const begin = performance.now();
    // Without it each sample tries for itself, and its failure is that sample's (no descriptor left, for example).
    const host = await this.#readHost().catch(() => undefined);
    await Promise.all(
      [...this.#listeners].map(async ([container, listeners]) => {
        const sample = await this.sample(container, host).catch((error: unknown) => {
          this.#context.log(`stats of ${container.id}`, error);
          return undefined;
        });
        for (const listener of listeners) listener(sample);
      }),
    );
    this.#busy = false;
    if (this.#listeners.size === 0) return;
    const rest = Math.max(INTERVAL_MS - (performance.now() - begin), INTERVAL_MS / 10);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#round();
    }, rest);
    this.#timer.unref();
  }

  /** One measurement. */
  async sample(container: Container, host?: HostCpu): Promise<Sample | undefined> {
    const { run } = container;
    if (!run) return undefined;
    const [usage, networks, cpu] = await Promise.all([
      cgroup.readUsage(this.#context.options.cgroup, run.facts.cgroupPath),
      this.#networks(container),
      host ?? this.#readHost(),
    ]);
    // It ended meanwhile: what was read is half of it.
    if (container.run !== run) return undefined;
    return { read: rfc3339Nano(nowNs()), usage, host: cpu, networks };
  }

  async #networks(container: Container): Promise<ReadonlyMap<string, NetworkStatsDocument>> {
    const run = ownerOf(this.#context, container)?.run;
    // On the network of the host nothing is the container's own.
    if (!run?.facts.endpoints.some(({ ipv4, ipv6 }) => ipv4 || ipv6)) return new Map();
    const interfaces = await readInterfaces(run.shim.pid);
    for (const name of interfaces.keys()) if (!/^eth\d+$/.test(name)) interfaces.delete(name);
    return interfaces;
  }
}

function ownerOf(context: EngineContext, container: Container): Container | undefined {
  try {
    return networkOwner(context, container) ?? container;
  } catch {
    return undefined;
  }
}
