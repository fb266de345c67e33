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
  const places = FAMILIES.flatMap(family =>
    placesIn(
      family,
      socket
        .request([nft.getChains(family)])
        .map(nft.parseChain)
        .filter(chain => chain !== undefined),
    ),
  );
  return places.flatMap(place => {
    const rules = readRules(socket, place);
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

/** The chains of one family that may drop what we forward. */
function placesIn(family: nft.FamilyNumber, chains: readonly nft.ReadChain[]): Place[] {
  const places = chains.flatMap(chain => {
    const mayDrop = chain.base?.hook === nft.Hook.forward && chain.base.policy === 'drop';
    return mayDrop && !isOfGantry(chain.table) ? [chain] : [];
  });
  return places.map(({ table, name }) => {
    const user = chains.find(chain => chain.table === table && chain.name === DOCKER_USER);
    return { table: { family, name: table }, chain: user ? DOCKER_USER : name };
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
