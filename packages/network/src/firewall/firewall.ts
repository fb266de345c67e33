import { netlink, nftables as nft, SystemCallError } from '@gantry/linux';
import type { Launcher, Step } from '@gantry/runtime';
import type { Endpoint } from '../face.ts';
import { sysctlStep } from '../step.ts';
import {
  type FirewallBridge,
  type PortElements,
  portElements,
  portMessages,
  Sets,
  tableMessages,
  tableOf,
} from './rules.ts';

/** The rules of one daemon: one table, in which a published port is one element of a map. */
export interface Firewall {
  /** Translates, protects and admits a bridge's containers. */
  addBridge(bridge: FirewallBridge): Promise<void>;
  /** Steps that publish an endpoint's IPv4 ports. */
  addPorts(endpoint: Endpoint): readonly Step[];
  /** Steps that undo `addPorts`, also when it never ran. */
  removePorts(endpoint: Endpoint): readonly Step[];
  /** Makes the table what it must be with these endpoints, whatever has become of it. */
  restore(endpoints: readonly Endpoint[]): Promise<void>;
}

export type FirewallOptions = {
  /** The default bridge, after which the table is named. */
  readonly bridge: string;
  readonly run: Launcher['run'];
};

/** Rules in nf_tables; the foreign tables of the host are not touched here. */
export function openFirewall({ bridge: defaultBridge, run }: FirewallOptions): Firewall {
  const table = tableOf(defaultBridge);
  const bridges = new Map<string, FirewallBridge>();

  const write = async (elements: PortElements): Promise<void> => {
    await run([
      // Answers to the loopback address come back by the bridge.
      ...[...bridges.keys()].map(name => sysctlStep(`net/ipv4/conf/${name}/route_localnet`, '1', [2])),
      nftStep(tableMessages(table, [...bridges.values()], elements)),
    ]);
  };

  return {
    async addBridge(bridge) {
      bridges.set(bridge.name, bridge);
      // Containers may have run on while the daemon was away: their ports stay until reconcile() has all the endpoints.
      await write(readPortElements(table));
    },
    addPorts(endpoint) {
      const messages = portMessages(nft.addElements, table, portElements([endpoint]));
      return messages.length === 0 ? [] : [nftStep(messages)];
    },
    removePorts(endpoint) {
      const elements = portElements([endpoint]);
      const add = portMessages(nft.addElements, table, elements);
      // Deleting what is not there fails; adding what is there does not.
      return add.length === 0
        ? []
        : [nftStep([...add, ...portMessages(nft.deleteElements, table, elements)], [ENOENT])];
    },
    async restore(endpoints) {
      await write(portElements(endpoints));
    },
  };
}

const ENOENT = 2;

function nftStep(messages: readonly netlink.Message[], ignore?: readonly number[]): Step {
  return {
    op: 'netlink',
    protocol: netlink.NetlinkProtocol.netfilter,
    message: nft.transaction(messages),
    ...(ignore ? { ignore } : {}),
  };
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
