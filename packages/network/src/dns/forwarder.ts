import { forward } from './forward.ts';

/** Questions of one container that wait for an upstream at a time, as in dockerd. */
const MOST = 1024;
/** The same when those of all containers are many: one that floods leaves the others their share. */
const MOST_WHEN_CROWDED = 64;
const CROWDED = 2048;
/** Each waits with a socket of its own, and descriptors are for others too. */
const MOST_OF_ALL = 8192;

let underWay = 0;

/** Passes a container's questions on to its upstreams, so many at a time. */
export class Forwarder {
  #own = 0;

  /** The answer of the first upstream that has one; undefined when none has, or too many questions are under way. */
  async ask(message: Buffer, upstreams: readonly string[], protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const most = underWay >= CROWDED ? MOST_WHEN_CROWDED : MOST;
    if (upstreams.length === 0 || this.#own >= most || underWay >= MOST_OF_ALL) return undefined;
    this.#own++;
    underWay++;
    try {
      return await forward(message, upstreams, protocol);
    } finally {
      this.#own--;
      underWay--;
    }
  }
}
