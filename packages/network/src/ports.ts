import type { PortRequest, Protocol, PublishedPort } from './face.ts';

/** A port that another container of this daemon has. */
export class PortTaken extends Error {
  constructor(hostIp: string, port: number) {
    super(`Bind for ${hostIp}:${port} failed: port is already allocated`);
    this.name = 'PortTaken';
  }
}

/** No port of the asked range is free. */
export class PortsExhausted extends Error {
  constructor() {
    super('all ports are allocated');
    this.name = 'PortsExhausted';
  }
}

export type PortTableOptions = {
  /** Addresses that stand for a request without one: `0.0.0.0`, and `::` where the host has IPv6. */
  readonly wildcards: readonly string[];
  /** Where ports are taken from when none is asked for. */
  readonly range: readonly [first: number, last: number];
  /** Tells whether nobody else on the host has the port; asked only where there is a choice. */
  readonly isFree: (protocol: Protocol, address: string, port: number) => boolean;
};

/** The host ports that this daemon's containers have. */
export class PortTable {
  readonly #options: PortTableOptions;
  /** `tcp/80` to the addresses that it is bound on. */
  readonly #taken = new Map<string, Set<string>>();
  /** The last port given from a range, so that one that was given back rests a while. */
  readonly #last = new Map<string, number>();

  constructor(options: PortTableOptions) {
    this.#options = options;
  }

  /**
   * Reserves all requested ports or none.
   * A request without an address gets the same port on both families.
   * @throws PortTaken, PortsExhausted
   */
  reserve(requests: readonly PortRequest[]): PublishedPort[] {
    const reserved: PublishedPort[] = [];
    try {
      for (const request of requests) reserved.push(...this.#reserveOne(request));
      return reserved;
    } catch (error) {
      this.release(reserved);
      throw error;
    }
  }

  /** Notes ports of a container that ran before this daemon started. */
  adopt(ports: readonly PublishedPort[]): void {
    for (const port of ports) this.#take(port.protocol, port.hostIp, port.hostPort);
  }

  release(ports: readonly PublishedPort[]): void {
    for (const { protocol, hostIp, hostPort } of ports) {
      const key = `${protocol}/${hostPort}`;
      const addresses = this.#taken.get(key);
      addresses?.delete(hostIp);
      if (addresses?.size === 0) this.#taken.delete(key);
    }
  }

  #reserveOne({ protocol, containerPort, hostIp, hostPort, hostPortEnd }: PortRequest): PublishedPort[] {
    const addresses = hostIp === '' ? this.#options.wildcards : [hostIp];
    const port = this.#choose(protocol, addresses, hostPort, hostPortEnd);
    return addresses.map(address => {
      this.#take(protocol, address, port);
      return { protocol, containerPort, hostIp: address, hostPort: port };
    });
  }

  #choose(protocol: Protocol, addresses: readonly string[], hostPort: number, hostPortEnd: number): number {
    if (hostPort !== 0 && hostPortEnd <= hostPort) {
      for (const address of addresses) {
        const other = this.#conflict(protocol, address, hostPort);
        if (other !== undefined) throw new PortTaken(other, hostPort);
      }
      return hostPort;
    }
    const [first, last] = hostPort === 0 ? this.#options.range : [hostPort, hostPortEnd];
    const key = `${protocol}/${first}-${last}`;
    const start = (this.#last.get(key) ?? last) + 1;
    for (let i = 0; i <= last - first; i++) {
      const port = first + ((start - first + i) % (last - first + 1));
      const free = addresses.every(
        address =>
          this.#conflict(protocol, address, port) === undefined && this.#options.isFree(protocol, address, port),
      );
      if (!free) continue;
      this.#last.set(key, port);
      return port;
    }
    throw new PortsExhausted();
  }

  /** The address on which the port is taken already, undefined when it is free on `address`. */
  #conflict(protocol: Protocol, address: string, port: number): string | undefined {
    const taken = this.#taken.get(`${protocol}/${port}`);
    if (!taken) return undefined;
    if (taken.has(address)) return address;
    const v6 = address.includes(':');
    const wildcard = v6 ? '::' : '0.0.0.0';
    if (taken.has(wildcard)) return wildcard;
    if (address !== wildcard) return undefined;
    return [...taken].find(other => other.includes(':') === v6);
  }

  #take(protocol: Protocol, address: string, port: number): void {
    const key = `${protocol}/${port}`;
    const addresses = this.#taken.get(key) ?? new Set();
    this.#taken.set(key, addresses.add(address));
  }
}
