import { netlink, nftables as nft, SystemCallError } from '@gantry/linux';

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
export function foreignMessages(ours: nft.Table, bridges: readonly string[]): netlink.Message[] {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const places = [nft.Family.ipv4, nft.Family.inet].flatMap(family =>
    placesIn(
      family,
      socket
        .request([nft.getChains(family)])
        .map(nft.parseChain)
        .filter(chain => chain !== undefined),
      ours,
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

/** The messages that take our rules out of foreign chains. */
export function foreignRemovalMessages(ours: nft.Table, bridges: readonly string[]): netlink.Message[] {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const comments = new Set(bridges.flatMap(bridge => [commentOf(ADMIT.in, bridge), commentOf(ADMIT.out, bridge)]));
  return [nft.Family.ipv4, nft.Family.inet].flatMap(family =>
    socket.request([nft.getChains(family)]).flatMap(message => {
      const chain = nft.parseChain(message);
      if (!chain || chain.table === ours.name) return [];
      const place = { table: { family, name: chain.table }, chain: chain.name };
      return readRules(socket, place)
        .filter(rule => comments.has(rule.comment))
        .map(rule => nft.deleteRule(place.table, place.chain, rule.handle));
    }),
  );
}

/** The chains of one family that may drop what we forward. */
function placesIn(family: nft.FamilyNumber, chains: readonly nft.ReadChain[], ours: nft.Table): Place[] {
  const places = chains.flatMap(chain => {
    const mayDrop = chain.base?.hook === nft.Hook.forward && chain.base.policy === 'drop';
    return mayDrop && !isOfGantry(chain.table, ours) ? [chain] : [];
  });
  return places.map(({ table, name }) => {
    const user = chains.find(chain => chain.table === table && chain.name === DOCKER_USER);
    return { table: { family, name: table }, chain: user ? DOCKER_USER : name };
  });
}

function isOfGantry(table: string, ours: nft.Table): boolean {
  return table === ours.name || table === 'gantry' || table.startsWith('gantry-');
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

/** Written as iptables writes it, so that iptables can show it: the name with its zero byte, a counter, a verdict. */
function admit(direction: string, bridge: string): nft.Expression[] {
  return [
    nft.meta(direction === ADMIT.in ? 'iifname' : 'oifname', 0),
    nft.compare('equal', 0, Buffer.from(`${bridge}\0`)),
    nft.counter(),
    nft.decide({ verdict: 'accept' }),
  ];
}
