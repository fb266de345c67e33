import { linkIndex, netlink } from '@gantry/linux';
import type { Launcher } from '@gantry/runtime';
import { routeStep } from './step.ts';

/** So long the kernel has to end a namespace, and its links with it; what is there then is deleted. */
const PATIENCE_MS = 1_000;
const ENODEV = 19;

/**
 * The links of containers that ended. The kernel deletes them with their namespaces, many at once, which costs us nothing; but a
 * namespace lives on for minutes while a connection of it waits for an answer. So who is left is deleted by us, some time after.
 */
export class EndedLinks {
  readonly #run: Launcher['run'];
  readonly #warn: (message: string, error: unknown) => void;
  #names: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(run: Launcher['run'], warn: (message: string, error: unknown) => void) {
    this.#run = run;
    this.#warn = warn;
  }

  /** Costs a list's element; the look happens once for all that ended meanwhile. */
  add(name: string): void {
    this.#names.push(name);
    this.#timer ??= setTimeout(() => void this.#look(), PATIENCE_MS).unref();
  }

  /** Deletes what is left at once. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#look();
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    const left = this.#names.filter(name => linkIndex(name) !== undefined);
    this.#names = [];
    if (left.length === 0) return;
    try {
      await this.#run(left.map(name => routeStep([netlink.deleteLink({ name })], [ENODEV])));
    } catch (error) {
      this.#warn('deleting the links of containers that ended', error);
    }
  }
}
