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

/** SCTP between families: nothing relays it. */
export class NotRelayed extends Error {
  constructor(hostIp: string, port: number, family: string) {
    super(`failed to bind host port ${hostIp}:${port}/sctp: SCTP over ${family} would have to be relayed, and is not`);
    this.name = 'NotRelayed';
  }
}

/**
 * How the ports of a container's network are reached by the addresses of one family: translated to the container's
 * address, opened there without a port of the host (`routed`), or relayed by the shim, where the container has none.
 */
export type PortReach = 'translated' | 'routed' | 'relayed';

export type ReserveOptions = {
  readonly ipv4: PortReach;
  readonly ipv6: PortReach;
  /** Where a request without an address is bound, when not on all addresses. */
  readonly binding?: string;
  /** Through the host's input rules, see PublishedPort. */
  readonly obeyInput?: boolean;
};

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
   * @throws PortTaken, PortsExhausted, NotRelayed
   */
  reserve(
    requests: readonly PortRequest[],
    options: ReserveOptions = { ipv4: 'translated', ipv6: 'relayed' },
  ): PublishedPort[] {
    const reserved: PublishedPort[] = [];
    try {
      for (const request of requests) this.#reserveOne(request, options, reserved);
      return reserved;
    } catch (error) {
      this.release(reserved);
      throw error;
    }
  }

  /** Notes ports of a container that ran before this daemon started. */
  adopt(ports: readonly PublishedPort[]): void {
    for (const port of ports) if (port.hostPort !== 0) this.#take(port.protocol, port.hostIp, port.hostPort);
  }

  release(ports: readonly PublishedPort[]): void {
    for (const { protocol, hostIp, hostPort } of ports) {
      const key = `${protocol}/${hostPort}`;
      const addresses = this.#taken.get(key);
      addresses?.delete(hostIp);
      if (addresses?.size === 0) this.#taken.delete(key);
    }
  }

  /**
   * Where a request is bound, and where the container's own address is opened instead.
   * @throws NotRelayed for SCTP that would need a relay
   */
  addressesOf(
    { protocol, hostIp, hostPort }: PortRequest,
    options: ReserveOptions,
  ): { readonly bound: readonly string[]; readonly opened: readonly string[] } {
    const { binding = '', obeyInput = false } = options;
    const asked = hostIp || (binding === '0.0.0.0' ? '' : binding);
    const bound: string[] = [];
    const opened: string[] = [];
    for (const address of asked === '' ? this.#options.wildcards : [asked]) {
      const six = address.includes(':');
      const reach = six ? options.ipv6 : options.ipv4;
      if (reach === 'routed') opened.push(six ? '::' : '0.0.0.0');
      else if (protocol !== 'sctp' || (reach === 'translated' && !obeyInput)) bound.push(address);
      // One family is enough where none was named.
      else if (asked !== '' || !six || obeyInput) throw new NotRelayed(address, hostPort, six ? 'IPv6' : 'IPv4');
    }
    return { bound, opened };
  }

  #reserveOne(request: PortRequest, options: ReserveOptions, reserved: PublishedPort[]): void {
    const { protocol, containerPort } = request;
    const { bound, opened } = this.addressesOf(request, options);
    for (const hostIp of opened) reserved.push({ protocol, containerPort, hostIp, hostPort: 0 });
    if (bound.length === 0) return;
    const hostPort = this.#choose(protocol, bound, request.hostPort, request.hostPortEnd);
    const relayed = options.obeyInput ? ({ relayed: true } as const) : {};
    for (const hostIp of bound) {
      this.#take(protocol, hostIp, hostPort);
      reserved.push({ protocol, containerPort, hostIp, hostPort, ...relayed });
    }
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
