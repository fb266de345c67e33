import type { Endpoint, NetworkRecord } from '../face.ts';
import { forwards, type HostView } from '../host-view.ts';
import { targetOf } from '../port-spans.ts';
import type { PacketPath, PathEnd, PathRequest, PathStep } from './face.ts';
import { inSubnet, linkWith, outerAddress, routeTo } from './host.ts';
import type { TableView } from './table.ts';

/** All that the way of a packet depends on, as it is now. */
export type PathState = {
  readonly view: HostView;
  /** Undefined when the daemon writes no rules (`--iptables=false`). */
  readonly table: TableView | undefined;
  readonly network: (id: string) => NetworkRecord | undefined;
  /** The link of a network on this host; undefined where it has none. */
  readonly bridgeOf: (network: NetworkRecord) => string | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly nameOf: (containerId: string) => string;
};

/** A packet at our forward chain. */
type Forwarded = {
  readonly inLink: string;
  readonly out: string;
  readonly source: string;
  readonly to: string;
  readonly port: number | undefined;
  readonly translated: boolean;
};

type Outcome = { readonly verdict: PacketPath['verdict']; readonly hint?: string };

/** An address in nobody's hands, that stands for the world. @see RFC 5737 */
const SOMEWHERE = '192.0.2.1';

/** Follows a packet that begins a connection over this machine. */
export function tracePath(request: PathRequest, state: PathState): PacketPath {
  const walk = new Walk(request, state);
  const outcome = walk.run();
  const unsure = outcome.verdict === 'arrives' && walk.steps.some(step => step.verdict === 'unsure');
  return {
    from: labelOf(request.from),
    to: `${labelOf(request.to)}${request.to.port === undefined ? '' : `:${request.to.port}`}`,
    protocol: request.protocol,
    steps: walk.steps,
    ...outcome,
    ...(unsure ? { verdict: 'unsure' as const } : {}),
  };
}

function labelOf(end: PathEnd): string {
  if (end.kind === 'container') return end.name;
  return end.kind === 'address' ? end.address : end.kind;
}

class Walk {
  readonly steps: PathStep[] = [];
  readonly #request: PathRequest;
  readonly #state: PathState;
  readonly #port: number | undefined;

  constructor(request: PathRequest, state: PathState) {
    this.#request = request;
    this.#state = state;
    this.#port = request.to.port;
  }

  run(): Outcome {
    const { from } = this.#request;
    if (from.kind === 'container') {
      if (from.endpoints.some(({ networkName }) => networkName === 'host')) return this.#fromHost();
      return this.#fromContainer(from.endpoints);
    }
    if (from.kind === 'host') return this.#fromHost();
    if (from.kind === 'address') {
      const owner = this.#owner(from.address);
      if (owner) return this.#fromContainer([owner]);
      if (linkWith(this.#state.view, from.address)) return this.#fromHost();
    }
    return this.#fromOutside(from.kind === 'address' ? from.address : SOMEWHERE);
  }

  #step(place: string, what: string, verdict?: PathStep['verdict']): void {
    this.steps.push({ place, what, ...(verdict ? { verdict } : {}) });
  }

  #drop(place: string, why: string, hint?: string): Outcome {
    this.#step(place, why, 'drops');
    return { verdict: 'dropped', ...(hint === undefined ? {} : { hint }) };
  }

  #arrive(place: string, what: string): Outcome {
    this.#step(place, what);
    return { verdict: 'arrives' };
  }

  #owner(address: string): Endpoint | undefined {
    return this.#state.endpoints.find(({ ipv4, ipv6 }) => ipv4?.address === address || ipv6?.address === address);
  }

  /** The address that is called, seen from some networks. */
  #destination(seenFrom: readonly Endpoint[]): string | undefined {
    const { to } = this.#request;
    if (to.kind === 'address') return to.address;
    if (to.kind === 'outside') return SOMEWHERE;
    if (to.kind === 'host') {
      if (seenFrom.length === 0) return '127.0.0.1';
      return seenFrom[0]?.ipv4?.gateway || outerAddress(this.#state.view, false);
    }
    const networks = new Set(seenFrom.map(({ networkId }) => networkId));
    const shared = to.endpoints.find(({ networkId }) => networks.has(networkId));
    const best = shared ?? to.endpoints.find(({ ipv4, ipv6 }) => ipv4 ?? ipv6);
    return best?.ipv4?.address ?? best?.ipv6?.address;
  }

  #nowhere(): Outcome {
    return this.#drop(labelOf(this.#request.to), 'it has no address', 'a container on the network none is not reached');
  }

  #fromContainer(endpoints: readonly Endpoint[]): Outcome {
    const own = endpoints.filter(({ ipv4, ipv6 }) => ipv4 ?? ipv6);
    const name = labelOf(this.#request.from);
    if (own.length === 0) return this.#drop(name, 'the container has no network but its own loopback');
    const to = this.#destination(own);
    if (to === undefined) return this.#nowhere();
    if (/^127\.|^::1$/.test(to)) {
      return this.#arrive(name, `${to} is the container itself, and not the host`);
    }
    const six = to.includes(':');
    const addressOn = (endpoint: Endpoint) => (six ? endpoint.ipv6 : endpoint.ipv4);
    if (own.some(endpoint => addressOn(endpoint)?.address === to)) return this.#arrive(name, 'its own address');
    const direct = own.find(endpoint => {
      const address = addressOn(endpoint);
      return address && inSubnet(`${address.address}/${address.prefixLength}`, to);
    });
    const away = own.find(
      endpoint => addressOn(endpoint)?.gateway && !this.#state.network(endpoint.networkId)?.internal,
    );
    const leaving = direct ?? away;
    if (!leaving) {
      return this.#drop(
        name,
        `no route to ${to}`,
        'internal networks lead nowhere; connect the container to another one',
      );
    }
    const address = addressOn(leaving)?.address ?? '';
    this.#step(`${name} ${leaving.interfaceName ?? ''}`.trim(), `from ${address}, on network ${leaving.networkName}`);
    const network = this.#state.network(leaving.networkId);
    const bridge = network && this.#state.bridgeOf(network);
    if (!bridge) {
      return this.#arrive(
        `${network?.driver ?? 'network'} ${leaving.networkName}`,
        `goes out on the wire of its parent, past this host's rules`,
      );
    }
    if (direct && linkWith(this.#state.view, to) !== bridge) return this.#onBridge(bridge, leaving, to);
    this.#step(`bridge ${bridge}`, `to the host, which is the gateway`);
    return this.#atHost(bridge, address, to);
  }

  /** Between two containers of one bridge. */
  #onBridge(bridge: string, from: Endpoint, to: string): Outcome {
    const target = this.#owner(to);
    if (!target || target.networkId !== from.networkId) {
      return this.#drop(`bridge ${bridge}`, `nobody has the address ${to}`);
    }
    const { table } = this.#state;
    const icc = table ? table.has('pairs', bridge, bridge) : true;
    if (!icc) {
      const source = (to.includes(':') ? from.ipv6 : from.ipv4)?.address ?? '';
      if (this.#isLinked(source, to)) {
        this.#step(
          `bridge ${bridge}`,
          'its ports are isolated from each other; the host answers for a linked container',
        );
        return this.#atHost(bridge, source, to);
      }
      return this.#drop(
        `bridge ${bridge}`,
        'its ports are isolated from each other',
        'icc is off on this network: publish a port, link the container (its exposed ports), or put both on another network',
      );
    }
    this.#step(`bridge ${bridge}`, 'switches the frame; no rule of ours is asked');
    return this.#inContainer(target);
  }

  #isLinked(source: string, to: string, port = this.#port): boolean {
    return port !== undefined && (this.#state.table?.isLinked(source, to, this.#request.protocol, port) ?? false);
  }

  #inContainer(target: Endpoint, port = this.#port): Outcome {
    const what =
      port === undefined ? 'arrives' : `arrives at port ${port}; whether a program listens there is its own affair`;
    return this.#arrive(`${this.#state.nameOf(target.containerId)} ${target.interfaceName ?? ''}`.trim(), what);
  }

  #fromHost(): Outcome {
    const to = this.#destination([]);
    if (to === undefined) return this.#nowhere();
    const local = linkWith(this.#state.view, to);
    if (local !== undefined) {
      this.#step('host', `to ${to}, an address of its own`);
      const published = this.#published(to, true);
      if (!published) return this.#hostSocket(to);
      this.#translate('output', to, published);
      const owner = this.#owner(published.address);
      if (local === 'lo' && owner) this.#step('chain postrouting', 'the source becomes the address of the bridge');
      return owner ? this.#inContainer(owner, published.port) : this.#drop('host', `nobody has ${published.address}`);
    }
    const route = routeTo(this.#state.view, to);
    if (!route) return this.#drop('host', `no route to ${to}`);
    const target = this.#owner(to);
    this.#step('host', `to ${to}, by ${route.link}`);
    return target ? this.#inContainer(target) : this.#arrive('outside', `leaves by ${route.link}`);
  }

  #fromOutside(source: string): Outcome {
    const { to } = this.#request;
    const { view } = this.#state;
    const address = to.kind === 'host' ? outerAddress(view, false) : this.#destination([]);
    if (address === undefined) return this.#nowhere();
    const link = routeTo(view, source)?.link ?? '?';
    this.#step('outside', `comes in by ${link}, to ${address}`);
    if (this.#owner(address)) {
      this.#step('outside', 'only a neighbour with a route to this network sends it here', 'unsure');
    }
    return this.#atHost(link, source, address);
  }

  /** A packet that came in by a link. */
  #atHost(link: string, source: string, to: string): Outcome {
    const { table, view } = this.#state;
    const loopback = /^127\./;
    if (table && (loopback.test(to) || loopback.test(source))) {
      return this.#drop(`table inet ${table.name}, chain raw`, 'loopback addresses come from the host itself');
    }
    if (linkWith(view, to) !== undefined) {
      const published = this.#published(to, false);
      if (!published) return this.#hostSocket(to);
      this.#translate('prerouting', to, published);
      return this.#forward(link, source, published.address, published.port, true);
    }
    return this.#forward(link, source, to, this.#port, false);
  }

  #published(to: string, fromHost: boolean): { readonly address: string; readonly port: number } | undefined {
    if (this.#port === undefined || (fromHost && to === '::1')) return undefined;
    return this.#state.table?.published(to, this.#request.protocol, this.#port);
  }

  #translate(chain: string, to: string, target: { readonly address: string; readonly port: number }): void {
    const { table } = this.#state;
    this.#step(
      `table inet ${table?.name}, chain ${chain}`,
      `${to}:${this.#port} is published: the destination becomes ${target.address}:${target.port}`,
    );
  }

  /** To a program of the host, which may be a shim that relays. */
  #hostSocket(to: string): Outcome {
    const { protocol } = this.#request;
    const port = this.#port;
    const wild = to.includes(':') ? '::' : '0.0.0.0';
    for (const endpoint of port === undefined ? [] : this.#state.endpoints) {
      const published = endpoint.ports.find(
        one => one.protocol === protocol && one.hostPort === port && (one.hostIp === to || one.hostIp === wild),
      );
      const target = published && targetOf(endpoint, published.hostIp);
      if (!published || !target) continue;
      this.#step('host, chain input', "the host's own rules are asked", 'unsure');
      this.#step(
        `shim of ${this.#state.nameOf(endpoint.containerId)}`,
        `relays to ${target.address}:${published.containerPort}`,
      );
      return this.#inContainer(endpoint, published.containerPort);
    }
    this.#step('host, chain input', "the host's own rules are asked", 'unsure');
    const what =
      port === undefined
        ? 'arrives'
        : `port ${port} is published by no container here: a program of the host may listen`;
    return this.#arrive('host', what);
  }

  #forward(inLink: string, source: string, to: string, port: number | undefined, translated: boolean): Outcome {
    const { table, view } = this.#state;
    const six = to.includes(':');
    if (!forwards(six)) {
      return this.#drop(
        'host',
        `it does not forward IPv${six ? 6 : 4}`,
        'turn on net.ipv4.ip_forward (or the daemon’s --ip-forward)',
      );
    }
    const route = routeTo(view, to);
    if (!route) return this.#drop('host', `no route to ${to}`);
    const out = route.link;
    this.#step('host', `forwards by ${out}`);
    const target = this.#owner(to);
    if (table) {
      const refused = this.#ownForward(table, { inLink, out, source, to, port, translated });
      if (refused) return refused;
      for (const { table: name, chain, family, admitsFrom, admitsTo, legacy } of table.foreign) {
        if (family !== 1 && (family === 10) !== six) continue;
        const place = legacy
          ? `table ${name}, chain ${chain}`
          : `table ${FAMILY[family] ?? ''} ${name}, chain ${chain}`;
        if (admitsFrom.has(inLink) || admitsTo.has(out))
          this.#step(place, 'drops what it does not know; a rule there lets this pass');
        else this.#step(place, 'drops what it does not know', 'unsure');
      }
      if (!table.has('bridges', out) && table.masquerades(source)) {
        this.#step(`table inet ${table.name}, chain postrouting`, `the source becomes the address of ${out}`);
      } else if (translated && table.masquerades(source)) {
        this.#step(
          `table inet ${table.name}, chain postrouting`,
          'the source becomes the address of the bridge, so that the answer comes back this way',
        );
      }
    } else this.#step('host, chain forward', 'the daemon writes no rules (--iptables=false): others decide', 'unsure');
    return target ? this.#inContainer(target, port) : this.#arrive('outside', `leaves by ${out}`);
  }

  /** Our own forward chain, rule by rule; undefined when it lets the packet pass. */
  #ownForward(table: TableView, { inLink, out, source, to, port, translated }: Forwarded): Outcome | undefined {
    const place = `table inet ${table.name}, chain forward`;
    if (!table.whole) this.#step(place, 'somebody changed it: it is written again within seconds', 'unsure');
    if (table.userRules > 0) {
      this.#step(
        `table inet ${table.name}, chain user`,
        `${table.userRules} rules of the user are asked first`,
        'unsure',
      );
    }
    const six = to.includes(':') ? '6' : '';
    if (table.has('pairs', inLink, out)) return void this.#step(place, 'containers of one bridge pass');
    if (table.has('internal', inLink)) {
      return this.#drop(
        place,
        'nothing leaves an internal network',
        'connect the container to a network that is not internal',
      );
    }
    if (!table.has('bridges', out)) {
      const ours = table.has('bridges', inLink);
      if (ours || !table.closed.has(six ? 'ipv6' : 'ipv4'))
        return void this.#step(place, 'containers reach the outside');
      return this.#drop(
        place,
        'this host forwards for bridges only',
        'it was no router before the daemon: --ip-forward-no-drop',
      );
    }
    if (translated) return void this.#step(place, 'published ports pass');
    const open = port !== undefined && table.isOpen(to, this.#request.protocol, port);
    if (open && table.has(`routed${six}`, out))
      return void this.#step(place, 'a port of a routed network that was opened');
    if (open && table.has('trusted', inLink, out))
      return void this.#step(place, `published ports are open to ${inLink}, which the network trusts`);
    if (table.has(`unprotected${six}`, out) && !table.has('bridges', inLink)) {
      return void this.#step(place, 'its network is without protection (nat-unprotected)');
    }
    if (this.#isLinked(source, to, port)) return void this.#step(place, 'a port of a linked container passes');
    return this.#drop(
      place,
      'nothing else reaches containers',
      table.has('bridges', inLink)
        ? 'networks are isolated from each other: connect both containers to one network, or publish the port'
        : 'publish the port, and call the host',
    );
  }
}

const FAMILY: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' };
