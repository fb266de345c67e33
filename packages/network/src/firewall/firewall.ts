import { netlink, nftables as nft, SystemCallError } from '@gantry/linux';
import type { Launcher, Step } from '@gantry/runtime';
import type { Endpoint, LinkedPort } from '../face.ts';
import { isHostAddress } from '../host-view.ts';
import { targetOf } from '../port-spans.ts';
import { sysctlStep } from '../step.ts';
import { abandonedMessages, disownMessages, foreignMessages } from './foreign.ts';
import { legacyObstacle } from './legacy.ts';
import { linkedElements, PORT_SETS, type PortElements, portElements, portMessages } from './port-elements.ts';
import {
  bridgeMessages,
  type FirewallBridge,
  ruleCount,
  type TableOptions,
  tableMessages,
  tableOf,
  USER_CHAIN,
} from './rules.ts';
import { watchRuleset } from './watch.ts';

/** The rules of one daemon: one table, in which a published port is one element of a map. */
export interface Firewall {
  /** Removes what other daemons left behind whose bridges are not among the host's links any more. */
  sweep(readLinks: () => ReadonlySet<string>): Promise<void>;
  /** Translates, protects and admits a bridge's containers. */
  addBridge(bridge: FirewallBridge): Promise<void>;
  /** Writes the table for the bridges so far; from then on a bridge is some elements more. */
  begin(): Promise<void>;
  removeBridge(name: string): Promise<void>;
  /** Steps that publish an endpoint's IPv4 ports. */
  addPorts(endpoint: Endpoint): readonly Step[];
  /**
   * Forgets UDP connections that began before the ports were published, or that lead to a container that was removed:
   * as long as their packets come, the rules would not be asked again.
   */
  forgetConnections(endpoint: Endpoint): Promise<void>;
  /** Changes what `before` has published to what `after` has, in one transaction. */
  changePorts(before: Endpoint, after: Endpoint, all: () => readonly Endpoint[]): Promise<void>;
  /** Opens exactly these ports of others to an endpoint of the same bridge. */
  link(endpoint: Endpoint, ports: readonly LinkedPort[]): Promise<void>;
  /** Undoes `addPorts` and `link`, also when they never ran. */
  removePorts(endpoint: Endpoint): Promise<void>;
  /** Makes the table what it must be with these endpoints, and our rules in foreign chains, whatever has become of them. */
  restore(endpoints: readonly Endpoint[]): Promise<void>;
  /**
   * Looks whether others changed the host's rules since the last call, and repairs what that broke.
   * Microseconds when nothing changed.
   */
  check(endpoints: () => readonly Endpoint[]): Promise<void>;
  close(): void;
}

export type FirewallOptions = {
  /** The default bridge, after which the table is named. */
  readonly bridge: string;
  readonly run: Launcher['run'];
  readonly warn: (message: string, error?: unknown) => void;
} & TableOptions;

/** Rules in nf_tables. */
export function openFirewall({ bridge: defaultBridge, run, warn, closed }: FirewallOptions): Firewall {
  const table = tableOf(defaultBridge);
  const bridges = new Map<string, FirewallBridge>();
  /** What is open to an endpoint by links, by its id. */
  const linked = new Map<string, PortElements>();
  const allElements = (endpoints: readonly Endpoint[]): PortElements =>
    new Map([...portElements(endpoints), ...[...linked.values()].reduce(joined, new Map())]);
  let begun = false;
  let closedBefore = 0;
  const watch = watchRuleset();
  // Closing an nf_tables socket waits for what was deleted to be destroyed, 16 ms with everybody else locked out: one
  // socket for good, where a helper process would close its own each time.
  const socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const transact = async (messages: readonly netlink.Message[]): Promise<void> => {
    if (messages.length > 0) await socket.exchangeInBackground(nft.transaction(messages));
  };

  /** Said once a state: a program that lets nobody into its table would fill the log. */
  let refusedBefore = '';
  const admitNow = async (): Promise<void> => {
    const messages = foreignMessages([...bridges.keys()]);
    if (messages.length === 0) return;
    try {
      await transact(messages);
      refusedBefore = '';
    } catch (error) {
      if (String(error) === refusedBefore) return;
      refusedBefore = String(error);
      const owned = error instanceof SystemCallError && error.code === 'EPERM';
      warn(
        owned
          ? 'a forward chain drops, and its table lets no other program in (firewalld: set NftablesTableOwner=no, or put our bridges into the zone trusted)'
          : 'letting packets pass the forward chain of another program',
        error,
      );
    }
  };

  /** One after the other: two that look at the same chains would both add what is missing. */
  let admitting: Promise<void> = Promise.resolve();
  const admit = (): Promise<void> => {
    const work = admitting.then(admitNow);
    admitting = work.catch(() => {});
    return work;
  };

  const write = async (elements: PortElements): Promise<void> => {
    if (bridges.size === 0) return;
    await run([...bridges.values()].flatMap(bridgeSettings));
    closedBefore = closed.size;
    const messages = (anew: boolean) => tableMessages(table, [...bridges.values()], elements, { closed }, anew);
    await transact(messages(false)).catch(async (error: unknown) => {
      // A table of a daemon before this one, whose sets or chains were others.
      warn(`the table ${table.name} is written anew, with what the chain ${USER_CHAIN} had`, error);
      await transact(messages(true));
    });
    await admit();
  };

  const link = async ({ id }: Endpoint, after: PortElements): Promise<void> => {
    const { gone, come } = difference(linked.get(id) ?? new Map(), after);
    if ([...after.values()].some(list => list.length > 0)) linked.set(id, after);
    else linked.delete(id);
    await transact([
      // Deleting what is not there fails; adding what is there does not.
      ...portMessages(nft.addElements, table, gone),
      ...portMessages(nft.deleteElements, table, gone),
      ...portMessages(nft.addElements, table, come),
    ]);
  };

  return {
    async sweep(readLinks) {
      const messages = abandonedMessages(readLinks);
      if (messages.length > 0) await transact(messages).catch(error => warn('removing abandoned rules', error));
    },
    async addBridge(bridge) {
      const obstacle = legacyObstacle(bridge);
      if (obstacle !== undefined) warn(obstacle);
      bridges.set(bridge.name, bridge);
      if (!begun) return;
      await run(bridgeSettings(bridge));
      // A first IPv6 network may have closed forwarding.
      if (closedBefore !== closed.size) await write(readPortElements(table));
      else await transact(bridgeMessages(table, [bridge]));
      await admit();
    },
    async begin() {
      begun = true;
      // Containers may have run on while the daemon was away: their ports stay until reconcile() has all the endpoints.
      await write(readPortElements(table));
    },
    async removeBridge(name) {
      const bridge = bridges.get(name);
      if (!bridge) return;
      bridges.delete(name);
      await tolerating(ENOENT, transact(bridgeMessages(table, [bridge], nft.deleteElements)));
      await transact(disownMessages(name)).catch(error => warn(`removing the rules of ${name}`, error));
    },
    addPorts(endpoint) {
      const messages = portMessages(nft.addElements, table, portElements([endpoint]));
      return messages.length === 0 ? [] : [nftStep(messages)];
    },
    link: (endpoint, ports) => link(endpoint, linkedElements(endpoint, ports)),
    async removePorts(endpoint) {
      if (linked.has(endpoint.id)) await tolerating(ENOENT, link(endpoint, new Map()));
      const elements = portElements([endpoint]);
      const add = portMessages(nft.addElements, table, elements);
      if (add.length === 0) return;
      // Deleting what is not there fails; adding what is there does not.
      await tolerating(ENOENT, transact([...add, ...portMessages(nft.deleteElements, table, elements)]));
    },
    async changePorts(before, after, all) {
      const { gone, come } = difference(portElements([before]), portElements([after]));
      const messages = [
        ...portMessages(nft.deleteElements, table, gone),
        ...portMessages(nft.addElements, table, come),
      ];
      try {
        await transact(messages);
      } catch (error) {
        if (!(error instanceof SystemCallError && error.errno === ENOENT)) throw error;
        // Somebody took elements away that we knew of.
        await write(allElements(all()));
      }
    },
    async forgetConnections(endpoint) {
      for (const family of [4, 6] as const) {
        const ports = udpPorts(endpoint, family);
        if (ports.size === 0) continue;
        const [only] = ports.size === 1 ? ports.keys() : [];
        const found = await socket.exchangeInBackground(
          netlink.encode([netlink.getUdpConnections(only, family)]).bytes,
        );
        const stale = found
          .map(netlink.parseUdpConnection)
          .filter(connection => connection !== undefined)
          .filter(connection => isStale(connection, ports.get(connection.destinationPort), endpoint));
        for (const connection of stale) {
          await tolerating(
            ENOENT,
            socket.exchangeInBackground(netlink.encode([netlink.deleteConnection(connection)]).bytes),
          );
        }
      }
    },
    async restore(endpoints) {
      await write(allElements(endpoints));
    },
    async check(endpoints) {
      if (!watch.changed() || bridges.size === 0) return;
      if (isWhole(table, closed)) await admit();
      else await write(allElements(endpoints()));
    },
    close: () => {
      watch[Symbol.dispose]();
      socket[Symbol.dispose]();
    },
  };
}

const ENOENT = 2;

/** What the kernel must do at a bridge for our rules to be asked. */
function bridgeSettings({ name, icc, linkable }: FirewallBridge): Step[] {
  return [
    // Answers to the loopback address come back by the bridge.
    sysctlStep(`net/ipv4/conf/${name}/route_localnet`, '1', [ENOENT]),
    // Its ports are isolated from each other: the host answers for a neighbour and forwards what the rules let pass.
    ...(linkable && !icc
      ? [
          sysctlStep(`net/ipv4/conf/${name}/proxy_arp_pvlan`, '1', [ENOENT]),
          // Else it answers after up to 0.8 s, in case the neighbour does so itself, which it cannot.
          sysctlStep(`net/ipv4/neigh/${name}/proxy_delay`, '0', [ENOENT]),
        ]
      : []),
  ];
}

/** The elements of both. */
function joined(some: PortElements, more: PortElements): PortElements {
  return new Map([...some, ...[...more].map(([set, list]) => [set, [...(some.get(set) ?? []), ...list]] as const)]);
}

/** The elements that only one of two has. */
function difference(
  before: PortElements,
  after: PortElements,
): { readonly gone: PortElements; readonly come: PortElements } {
  const keyOf = ({ key, last, value }: nft.SetElement): string =>
    [key, last, value].map(part => (part instanceof Uint8Array ? Buffer.from(part).toString('hex') : '')).join('/');
  const without = (elements: PortElements, others: PortElements): PortElements =>
    new Map(
      [...elements].map(([set, list]) => {
        const known = new Set(others.get(set)?.map(keyOf));
        return [set, list.filter(element => !known.has(keyOf(element)))];
      }),
    );
  return { gone: without(before, after), come: without(after, before) };
}

/** The host addresses of translated UDP ports, by port. */
function udpPorts(endpoint: Endpoint, family: 4 | 6): Map<number, string[]> {
  const ports = new Map<number, string[]>();
  for (const { protocol, hostIp, hostPort, relayed } of endpoint.ports) {
    if (protocol !== 'udp' || hostPort === 0 || relayed || hostIp.includes(':') !== (family === 6)) continue;
    if (targetOf(endpoint, hostIp)?.relayed !== false) continue;
    ports.set(hostPort, [...(ports.get(hostPort) ?? []), hostIp]);
  }
  return ports;
}

/** A connection to a port that our rules did not translate, or translated to this endpoint. */
function isStale(
  { destination, answeredBy }: netlink.TrackedConnection,
  hostIps: readonly string[] | undefined,
  { ipv4, ipv6 }: Endpoint,
): boolean {
  if (!hostIps) return false;
  if (answeredBy !== destination) return answeredBy === ipv4?.address || answeredBy === ipv6?.address;
  return isHostAddress(destination) && hostIps.some(ip => [destination, '0.0.0.0', '::'].includes(ip));
}

async function tolerating(errno: number, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === errno)) throw error;
  }
}

function nftStep(messages: readonly netlink.Message[]): Step {
  return { op: 'netlink', protocol: netlink.NetlinkProtocol.netfilter, message: nft.transaction(messages) };
}

/** Whether our table has all its rules; their elements are taken on trust. */
function isWhole(table: nft.Table, closed: TableOptions['closed']): boolean {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  try {
    const ours = socket.request([nft.getRules(table)]).map(nft.parseRule);
    return ours.filter(rule => rule && rule.chain !== USER_CHAIN).length === ruleCount({ closed });
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === ENOENT) return false;
    throw error;
  }
}

function readPortElements(table: nft.Table): PortElements {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const read = (set: string): nft.SetElement[] => {
    try {
      return socket.request([nft.getElements(table, set)]).flatMap(nft.parseElements);
    } catch (error) {
      if (error instanceof SystemCallError && error.errno === ENOENT) return [];
      throw error;
    }
  };
  return new Map(PORT_SETS.map(set => [set, read(set)] as const).filter(([, elements]) => elements.length > 0));
}
