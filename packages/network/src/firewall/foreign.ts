import { netlink, nftables as nft, SystemCallError } from '@gantry/linux';
import { bridgeOf, isOfGantry } from './rules.ts';

/** Families whose chains decide on what we forward. */
const FAMILIES = [nft.Family.ipv4, nft.Family.ipv6, nft.Family.inet] as const;

/**
 * Packets pass the forward chains of every table, and one that drops ends them, whatever ours say. Where a foreign chain
 * may drop, we put rules of our own that let our bridges pass; ours then decide. They carry a comment by which they
 * are found again.
 */

const ADMIT = { in: 'from', out: 'to' } as const;

/** The chain that Docker keeps free for others. */
const DOCKER_USER = 'DOCKER-USER';

type Place = { readonly table: nft.Table; readonly chain: string };

/** The messages that add what is missing of our rules in foreign chains, and delete what is there twice. */
export function foreignMessages(bridges: readonly string[]): netlink.Message[] {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  return places(socket).flatMap(({ place, rules }) => {
    const before = rules.at(-1)?.returns ? rules.at(-1)?.handle : undefined;
    return bridges.flatMap(bridge =>
      [ADMIT.in, ADMIT.out].flatMap(direction => {
        const comment = commentOf(direction, bridge);
        const [present, ...twice] = rules.filter(rule => rule.comment === comment);
        return [
          ...twice.map(rule => nft.deleteRule(place.table, place.chain, rule.handle)),
          ...(present
            ? []
            : [
                nft.addRule(place.table, place.chain, admit(direction, bridge), {
                  comment,
                  ...(place.chain === DOCKER_USER ? { before } : { first: true }),
                }),
              ]),
        ];
      }),
    );
  });
}

/**
 * The messages that remove what daemons left behind whose bridges are gone: their tables, and their rules in foreign
 * chains. A daemon makes its bridge first, so that what has no bridge has no daemon; hence links are read last.
 */
export function abandonedMessages(readLinks: () => ReadonlySet<string>): netlink.Message[] {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const found: { readonly bridge: string; readonly removal: netlink.Message }[] = [];
  for (const name of socket.request([nft.getTables(nft.Family.inet)]).map(nft.parseTable)) {
    if (name === undefined || !isOfGantry(name)) continue;
    found.push({ bridge: bridgeOf(name), removal: nft.deleteTable({ family: nft.Family.inet, name }) });
  }
  for (const family of FAMILIES) {
    for (const chain of socket.request([nft.getChains(family)]).map(nft.parseChain)) {
      if (!chain || isOfGantry(chain.table)) continue;
      if (chain.name !== DOCKER_USER && chain.base?.hook !== nft.Hook.forward) continue;
      const place = { table: { family, name: chain.table }, chain: chain.name };
      for (const rule of readRules(socket, place)) {
        const bridge = COMMENT.exec(rule.comment)?.[1];
        if (bridge !== undefined) {
          found.push({ bridge, removal: nft.deleteRule(place.table, place.chain, rule.handle) });
        }
      }
    }
  }
  const links = readLinks();
  return found.filter(({ bridge }) => !links.has(bridge)).map(({ removal }) => removal);
}

/** The messages that remove our rules for one bridge from foreign chains. */
export function disownMessages(bridge: string): netlink.Message[] {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  return FAMILIES.flatMap(family =>
    socket
      .request([nft.getChains(family)])
      .map(nft.parseChain)
      .filter(chain => chain && (chain.name === DOCKER_USER || chain.base?.hook === nft.Hook.forward))
      .filter(chain => chain !== undefined)
      .flatMap(chain => {
        const place = { table: { family, name: chain.table }, chain: chain.name };
        return readRules(socket, place)
          .filter(rule => COMMENT.exec(rule.comment)?.[1] === bridge)
          .map(rule => nft.deleteRule(place.table, place.chain, rule.handle));
      }),
  );
}

/** A forward chain of another program that drops what it does not admit. */
export type ForeignForwarder = {
  readonly table: string;
  readonly chain: string;
  readonly family: nft.FamilyNumber;
  /** Bridges of ours that may pass, from them and to them. */
  readonly admitsFrom: ReadonlySet<string>;
  readonly admitsTo: ReadonlySet<string>;
  /** Of iptables-legacy, where we can put no rule. */
  readonly legacy?: true;
};

/** The chains that may drop what we forward, and for which bridges our rules are in them. */
export function foreignForwarders(socket: netlink.NetlinkSocket, bridges: readonly string[]): ForeignForwarder[] {
  return places(socket).map(({ place, rules }) => {
    const comments = new Set(rules.map(({ comment }) => comment));
    const admitted = (direction: string) =>
      new Set(bridges.filter(bridge => comments.has(commentOf(direction, bridge))));
    const { table, chain } = place;
    return {
      table: table.name,
      chain,
      family: table.family,
      admitsFrom: admitted(ADMIT.in),
      admitsTo: admitted(ADMIT.out),
    };
  });
}

/**
 * Where packets have to be let pass: chains with the policy drop, as those of iptables, and chains that end in a rule that
 * refuses everything, as firewalld's.
 */
function places(socket: netlink.NetlinkSocket): { readonly place: Place; readonly rules: readonly nft.ReadRule[] }[] {
  return FAMILIES.flatMap(family => {
    const chains = socket
      .request([nft.getChains(family)])
      .map(nft.parseChain)
      .filter(chain => chain !== undefined);
    return chains.flatMap(({ table, name, base }) => {
      if (base?.hook !== nft.Hook.forward || isOfGantry(table)) return [];
      const own = { table: { family, name: table }, chain: name };
      const rules = readRules(socket, own);
      if (base.policy !== 'drop' && !rules.at(-1)?.refuses) return [];
      const user = chains.some(chain => chain.table === table && chain.name === DOCKER_USER);
      const place = user ? { ...own, chain: DOCKER_USER } : own;
      return [{ place, rules: user ? readRules(socket, place) : rules }];
    });
  });
}

function readRules(socket: netlink.NetlinkSocket, { table, chain }: Place): nft.ReadRule[] {
  try {
    return socket
      .request([nft.getRules(table, chain)])
      .map(nft.parseRule)
      .filter(rule => rule !== undefined && rule.chain === chain)
      .filter(rule => rule !== undefined);
  } catch (error) {
    // Gone since the chains were read.
    if (error instanceof SystemCallError && error.code === 'ENOENT') return [];
    throw error;
  }
}

function commentOf(direction: string, bridge: string): string {
  return `gantry: packets ${direction} ${bridge} are decided in its own table`;
}

const COMMENT = /^gantry: packets (?:from|to) (\S+) are decided in its own table$/;

/** Written as iptables writes it, so that iptables can show it: the name with its zero byte, a counter, a verdict. */
function admit(direction: string, bridge: string): nft.Expression[] {
  return [
    nft.meta(direction === ADMIT.in ? 'iifname' : 'oifname', 0),
    nft.compare('equal', 0, Buffer.from(`${bridge}\0`)),
    nft.counter(),
    nft.decide({ verdict: 'accept' }),
  ];
}
