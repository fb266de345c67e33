import { readFileSync } from 'node:fs';
import { netlink, nftables as nft, SystemCallError } from '@gantry/linux';
import type { Launcher, Step } from '@gantry/runtime';
import type { Endpoint, PublishedPort } from '../face.ts';
import { isHostAddress } from '../host-view.ts';
import { sysctlStep } from '../step.ts';
import { abandonedMessages, disownMessages, foreignMessages } from './foreign.ts';
import {
  bridgeMessages,
  type FirewallBridge,
  type PortElements,
  portElements,
  portMessages,
  RULE_COUNT,
  Sets,
  tableMessages,
  tableOf,
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
  /** Undoes `addPorts`, also when it never ran. */
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
};

/** Rules in nf_tables. */
export function openFirewall({ bridge: defaultBridge, run, warn }: FirewallOptions): Firewall {
  const table = tableOf(defaultBridge);
  const bridges = new Map<string, FirewallBridge>();
  let begun = false;
  const watch = watchRuleset();
  // Closing an nf_tables socket waits for what was deleted to be destroyed, 16 ms with everybody else locked out: one
  // socket for good, where a helper process would close its own each time.
  const socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const transact = async (messages: readonly netlink.Message[]): Promise<void> => {
    if (messages.length > 0) await socket.exchangeInBackground(nft.transaction(messages));
  };

  const admit = async (): Promise<void> => {
    const messages = foreignMessages([...bridges.keys()]);
    if (messages.length === 0) return;
    await transact(messages).catch(error => warn('letting packets pass the forward chain of another program', error));
  };

  const write = async (elements: PortElements): Promise<void> => {
    if (bridges.size === 0) return;
    await run([
      // Answers to the loopback address come back by the bridge.
      ...[...bridges.keys()].map(name => sysctlStep(`net/ipv4/conf/${name}/route_localnet`, '1', [2])),
    ]);
    await transact(tableMessages(table, [...bridges.values()], elements));
    await admit();
  };

  return {
    async sweep(readLinks) {
      const messages = abandonedMessages(readLinks);
      if (messages.length > 0) await transact(messages).catch(error => warn('removing abandoned rules', error));
    },
    async addBridge(bridge) {
      if (hasLegacyFilter()) {
        warn(
          'the rules of iptables-legacy on this host are not looked at: if its forward chain drops, so do containers',
        );
      }
      bridges.set(bridge.name, bridge);
      if (!begun) return;
      await run([sysctlStep(`net/ipv4/conf/${bridge.name}/route_localnet`, '1', [2])]);
      await transact(bridgeMessages(table, [bridge]));
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
    async removePorts(endpoint) {
      const elements = portElements([endpoint]);
      const add = portMessages(nft.addElements, table, elements);
      if (add.length === 0) return;
      // Deleting what is not there fails; adding what is there does not.
      await tolerating(ENOENT, transact([...add, ...portMessages(nft.deleteElements, table, elements)]));
    },
    async forgetConnections(endpoint) {
      for (const port of endpoint.ports) {
        if (port.protocol !== 'udp' || port.hostIp.includes(':')) continue;
        const stale = (
          await socket.exchangeInBackground(netlink.encode([netlink.getUdpConnections(port.hostPort)]).bytes)
        )
          .map(netlink.parseUdpConnection)
          .filter(connection => connection !== undefined)
          .filter(connection => isStale(connection, port, endpoint));
        for (const connection of stale) {
          await tolerating(
            ENOENT,
            socket.exchangeInBackground(netlink.encode([netlink.deleteConnection(connection)]).bytes),
          );
        }
      }
    },
    async restore(endpoints) {
      await write(portElements(endpoints));
    },
    async check(endpoints) {
      if (!watch.changed() || bridges.size === 0) return;
      if (isWhole(table)) await admit();
      else await write(portElements(endpoints()));
    },
    close: () => {
      watch[Symbol.dispose]();
      socket[Symbol.dispose]();
    },
  };
}

const ENOENT = 2;

/** A connection to the port that our rules did not translate, or translated to this endpoint. */
function isStale(connection: netlink.TrackedConnection, port: PublishedPort, endpoint: Endpoint): boolean {
  const { destination, destinationPort, answeredBy } = connection;
  if (destinationPort !== port.hostPort) return false;
  if (answeredBy === endpoint.ipv4?.address && answeredBy !== destination) return true;
  return answeredBy === destination && isHostAddress(destination) && [destination, '0.0.0.0'].includes(port.hostIp);
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

/** Whether iptables-legacy has a filter table, which lies beside nf_tables. */
function hasLegacyFilter(): boolean {
  try {
    return readFileSync('/proc/net/ip_tables_names', 'utf8').split('\n').includes('filter');
  } catch {
    return false;
  }
}

/** Whether our table has all its rules; their elements are taken on trust. */
function isWhole(table: nft.Table): boolean {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  try {
    return socket.request([nft.getRules(table)]).length === RULE_COUNT;
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
  return { ports: read(Sets.ports), wildcardPorts: read(Sets.wildcardPorts) };
}
