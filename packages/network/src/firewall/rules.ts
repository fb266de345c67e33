import { type netlink, nftables as nft } from '@gantry/linux';
import type { ForwardingFamily } from '../forwarding.ts';
import { addressText, type Subnet, subnetSize } from '../subnet.ts';
import { LINKED_SET, type PortElements, portMessages, portSetDefinitions } from './port-elements.ts';

/** How a network's containers are reached from outside. @see Docker's gateway modes; `isolated` is nat on an internal network */
export type GatewayMode = 'nat' | 'routed' | 'nat-unprotected' | 'isolated';

export type FirewallBridge = {
  readonly name: string;
  /** Absent where the network has no IPv4. */
  readonly subnet?: Subnet;
  /** As `fd00:1::/64`; absent where the network has no IPv6. */
  readonly subnet6?: string;
  /** Its containers reach each other. */
  readonly icc: boolean;
  /** Its containers reach the outside under the host's address. */
  readonly masquerade: boolean;
  readonly masquerade6?: boolean;
  /** Default nat. */
  readonly mode?: GatewayMode;
  readonly mode6?: GatewayMode;
  /** Its containers reach nothing beyond it. */
  readonly internal?: boolean;
  /** Its containers leave under this address, in place of that of the link that they leave by. */
  readonly source?: string;
  readonly source6?: string;
  /** Links from which the published ports of its containers are reached by the containers' own addresses. */
  readonly trusted?: readonly string[];
  /** Links may open ports between its containers. */
  readonly linkable?: boolean;
};

const { DataType: Type } = nft;

/** Names of the sets and maps, whose elements are all that changes while the daemon runs. */
export const Sets = {
  /** Our bridges. */
  bridges: 'bridges',
  /** Bridge to bridge, where containers may talk. */
  pairs: 'pairs',
  /** Sources that leave under the host's address. */
  masqueraded: 'masqueraded',
  masqueraded6: 'masqueraded6',
  /** The addresses that subnets leave under, where they were chosen. */
  sources: 'sources',
  sources6: 'sources6',
  /** Link to bridge, where published ports are reached by the addresses of containers. */
  trusted: 'trusted',
  /** Bridges that nothing may leave. */
  internal: 'internal',
  /** Bridges whose containers answer to ping from outside, and have opened ports. */
  routed: 'routed',
  routed6: 'routed6',
  /** Bridges whose containers are reached by their own addresses. */
  unprotected: 'unprotected',
  unprotected6: 'unprotected6',
} as const;

/** The chain that is the user's: evaluated first, and never written by us. */
export const USER_CHAIN = 'user';

const Chains = { publish: 'publish', publish6: 'publish6' } as const;
const Base = {
  raw: { type: 'filter', hook: 'prerouting', priority: -300 },
  prerouting: { type: 'nat', hook: 'prerouting', priority: -100 },
  output: { type: 'nat', hook: 'output', priority: -100 },
  postrouting: { type: 'nat', hook: 'postrouting', priority: 100 },
  forward: { type: 'filter', hook: 'forward', priority: 0 },
} as const satisfies Record<string, nft.BaseChain>;

/** The name of a daemon's table: several daemons have several bridges. */
export function tableOf(bridgeName: string): nft.Table {
  return { family: nft.Family.inet, name: bridgeName === 'gantry0' ? 'gantry' : `gantry-${bridgeName}` };
}

/** Whether a table of the family inet is one of a Gantry daemon. */
export function isOfGantry(table: string): boolean {
  return table === 'gantry' || table.startsWith('gantry-');
}

/** The default bridge of the daemon that has this table. */
export function bridgeOf(table: string): string {
  return table === 'gantry' ? 'gantry0' : table.slice('gantry-'.length);
}

/** What is the same for a table as long as its daemon runs. */
export type TableOptions = {
  /** Families that this daemon turned forwarding on for: the host is no router for anybody but bridges. */
  readonly closed: ReadonlySet<ForwardingFamily>;
};

/**
 * The whole table, in place of what has been there; the user's chain stays as it is.
 * `anew` deletes the table first, user's chain and all: for one whose sets are not what they are now.
 */
export function tableMessages(
  table: nft.Table,
  bridges: readonly FirewallBridge[],
  elements: PortElements,
  options: TableOptions,
  anew = false,
): netlink.Message[] {
  return [
    nft.addTable(table),
    ...(anew ? [nft.deleteTable(table), nft.addTable(table)] : []),
    nft.addChain(table, USER_CHAIN),
    ...Object.values(Chains).flatMap(chain => [nft.addChain(table, chain), nft.flushChain(table, chain)]),
    ...Object.entries(Base).flatMap(([chain, base]) => [
      nft.addChain(table, chain, base),
      nft.flushChain(table, chain),
    ]),
    ...setDefinitions().flatMap((definition, index) => [
      nft.addSet(table, definition, index + 1),
      nft.flushSet(table, definition.name),
    ]),
    ...ruleMessages(table, options),
    ...bridgeMessages(table, bridges),
    ...portMessages(nft.addElements, table, elements),
  ];
}

function setDefinitions(): nft.SetDefinition[] {
  return [
    { name: Sets.bridges, key: Type.linkName },
    { name: Sets.pairs, key: nft.concatenated(Type.linkName, Type.linkName) },
    { name: Sets.masqueraded, key: Type.ipv4, interval: true },
    { name: Sets.masqueraded6, key: Type.ipv6, interval: true },
    { name: Sets.sources, key: Type.ipv4, value: Type.ipv4, interval: true },
    { name: Sets.sources6, key: Type.ipv6, value: Type.ipv6, interval: true },
    { name: Sets.trusted, key: nft.concatenated(Type.linkName, Type.linkName) },
    ...[Sets.internal, Sets.routed, Sets.routed6, Sets.unprotected, Sets.unprotected6].map(name => ({
      name,
      key: Type.linkName,
    })),
    ...portSetDefinitions(),
  ];
}

function ruleMessages(table: nft.Table, { closed }: TableOptions): netlink.Message[] {
  const accept = nft.decide({ verdict: 'accept' });
  const drop = nft.decide({ verdict: 'drop' });
  const rule = (chain: string, comment: string, ...expressions: (nft.Expression | nft.Expression[])[]) =>
    nft.addRule(table, chain, expressions.flat(), { comment });
  const jump = (chain: string) => nft.decide({ verdict: 'jump', chain });
  const toBridge = nft.toLinkIn(Sets.bridges);
  return [
    rule('raw', 'loopback addresses come from the host itself', [
      ...nft.fromLink('lo', 'unequal'),
      ...nft.destinationIsLoopback(),
      drop,
    ]),
    rule('raw', 'and are nobody else', [...nft.fromLink('lo', 'unequal'), ...nft.sourceIsLoopback(), drop]),
    ...(['prerouting', 'output'] as const).flatMap(chain => {
      const from = chain === 'output' ? 'from the host' : 'from outside and from containers';
      // The kernel lets no ::1 leave the host: the shim relays what comes for it.
      const except = chain === 'output' ? nft.destinationIsLoopback6('unequal') : nft.isIPv6();
      return [
        rule(chain, `published ports, ${from}`, nft.isIPv4(), nft.destinationIsLocal(), jump(Chains.publish)),
        rule(chain, `published IPv6 ports, ${from}`, except, nft.destinationIsLocal(), jump(Chains.publish6)),
      ];
    }),
    ...publishRules(rule),
    rule('postrouting', 'containers to the outside, under an address that was chosen', [
      ...nft.toLinkIn(Sets.bridges, true),
      ...nft.isIPv4(),
      nft.payload('network', 12, 4, 0),
      nft.lookup(Sets.sources, 0, { to: 0 }),
      nft.translate('source', 'ipv4', { address: 0 }),
    ]),
    rule('postrouting', 'the same by IPv6', [
      ...nft.toLinkIn(Sets.bridges, true),
      ...nft.isIPv6(),
      nft.payload('network', 8, 16, 0),
      nft.lookup(Sets.sources6, 0, { to: 0 }),
      nft.translate('source', 'ipv6', { address: 0 }),
    ]),
    rule('postrouting', 'containers to the outside', [
      ...nft.toLinkIn(Sets.bridges, true),
      ...nft.sourceIn(Sets.masqueraded),
      nft.masquerade(),
    ]),
    rule('postrouting', 'containers to the outside by IPv6', [
      ...nft.toLinkIn(Sets.bridges, true),
      ...nft.source6In(Sets.masqueraded6),
      nft.masquerade(),
    ]),
    rule('postrouting', 'containers to published ports of containers: the answer must come back this way', [
      ...toBridge,
      ...nft.destinationWasTranslated(),
      ...nft.sourceIn(Sets.masqueraded),
      nft.masquerade(),
    ]),
    rule('postrouting', 'the same by IPv6', [
      ...toBridge,
      ...nft.destinationWasTranslated(),
      ...nft.source6In(Sets.masqueraded6),
      nft.masquerade(),
    ]),
    rule('postrouting', 'the loopback address means another host to a container', [
      ...toBridge,
      ...nft.sourceIsLoopback(),
      nft.masquerade(),
    ]),
    rule('forward', 'rules of the user come first', jump(USER_CHAIN)),
    rule('forward', 'connections that were admitted', nft.connectionState('established', 'related'), accept),
    rule('forward', 'containers of one bridge', nft.linksIn(Sets.pairs), accept),
    rule('forward', 'nothing leaves an internal network', nft.fromLinkIn(Sets.internal), drop),
    rule('forward', 'published ports', toBridge, nft.destinationWasTranslated(), accept),
    ...directRules(rule),
    rule('forward', 'ports of linked containers', [
      ...nft.isIPv4(),
      nft.payload('network', 12, 4, 0),
      nft.payload('network', 16, 4, 1),
      nft.meta('l4proto', 2),
      nft.payload('transport', 2, 2, 3),
      nft.lookup(LINKED_SET, 0),
      accept,
    ]),
    rule('forward', 'nothing else reaches containers', toBridge, drop),
    ...[...closed].toSorted().flatMap(family => {
      const is = family === 'ipv4' ? nft.isIPv4() : nft.isIPv6();
      return [
        rule('forward', 'this host forwards for bridges', is, nft.fromLinkOfKind('bridge'), accept),
        rule('forward', 'and to them', is, nft.toLinkOfKind('bridge'), accept),
        rule('forward', 'and for nobody else: it was no router before we came', is, drop),
      ];
    }),
  ];
}

type MakeRule = (
  chain: string,
  comment: string,
  ...expressions: (nft.Expression | nft.Expression[])[]
) => netlink.Message;

/** Where a published port leads: by its address, on all addresses, in a range. */
function publishRules(rule: MakeRule): netlink.Message[] {
  return ([4, 6] as const).flatMap(family => {
    const [six, chain, nat] =
      family === 4 ? (['', Chains.publish, 'ipv4'] as const) : (['6', Chains.publish6, 'ipv6'] as const);
    const [offset, length] = family === 4 ? [16, 4] : [24, 16];
    const words = length / 4;
    const exact = [
      nft.payload('network', offset, length, 0),
      nft.meta('l4proto', words),
      nft.payload('transport', 2, 2, words + 1),
    ];
    const is = family === 4 ? nft.isIPv4() : nft.isIPv6();
    const both = nft.translate('destination', nat, { address: 0, port: words });
    return [
      rule(chain, 'on one address', is, exact, nft.lookup(`ports${six}`, 0, { to: 0 }), both),
      rule(
        chain,
        'on all addresses',
        is,
        nft.meta('l4proto', 0),
        nft.payload('transport', 2, 2, 1),
        nft.lookup(`wildcard-ports${six}`, 0, { to: 0 }),
        both,
      ),
      rule(
        chain,
        'in a range',
        is,
        exact,
        nft.lookup(`ranges${six}`, 0, { to: 0 }),
        nft.translate('destination', nat, { address: 0 }),
      ),
    ];
  });
}

/** What reaches containers by their own addresses, on networks that are not behind translation. */
function directRules(rule: MakeRule): netlink.Message[] {
  const accept = nft.decide({ verdict: 'accept' });
  return ([4, 6] as const).flatMap(family => {
    const six = family === 4 ? '' : '6';
    const [offset, length] = family === 4 ? [16, 4] : [24, 16];
    const is = family === 4 ? nft.isIPv4() : nft.isIPv6();
    const names =
      family === 4 ? ([Sets.routed, Sets.unprotected] as const) : ([Sets.routed6, Sets.unprotected6] as const);
    const open = [
      nft.payload('network', offset, length, 0),
      nft.meta('l4proto', length / 4),
      nft.payload('transport', 2, 2, length / 4 + 1),
      nft.lookup(`open-ports${six}`, 0),
      accept,
    ];
    return [
      rule('forward', `opened ports of routed networks${six && ', IPv6'}`, is, nft.toLinkIn(names[0]), open),
      rule('forward', `opened ports from trusted links${six && ', IPv6'}`, is, nft.linksIn(Sets.trusted), open),
      rule(
        'forward',
        `routed networks answer to ping${six && ', IPv6'}`,
        is,
        nft.meta('l4proto', 0),
        nft.compare('equal', 0, nft.protocol(family === 4 ? 'icmp' : 'icmpv6')),
        nft.toLinkIn(names[0]),
        accept,
      ),
      rule(
        'forward',
        `networks without protection, but not from other networks of ours${six && ', IPv6'}`,
        is,
        nft.fromLinkIn(Sets.bridges, true),
        nft.toLinkIn(names[1]),
        accept,
      ),
    ];
  });
}

/** How many rules a whole table has, without the user's. */
export function ruleCount(options: TableOptions): number {
  return ruleMessages({ family: nft.Family.inet, name: '' }, options).length;
}

/** The elements of bridges: added, or deleted, as `change` says. */
export function bridgeMessages(
  table: nft.Table,
  bridges: readonly FirewallBridge[],
  change: typeof nft.addElements = nft.addElements,
): netlink.Message[] {
  const nameOf = ({ name }: FirewallBridge) => ({ key: nft.linkName(name) });
  const named = (set: string, test: (bridge: FirewallBridge) => boolean | undefined): netlink.Message[] =>
    change(table, set, bridges.filter(test).map(nameOf));
  const pairs = bridges
    .filter(bridge => bridge.icc)
    .map(({ name }) => ({ key: nft.concat(nft.linkName(name), nft.linkName(name)) }));
  const translated = (mode: GatewayMode | undefined): boolean => mode === undefined || mode.startsWith('nat');
  const masqueraded = bridges.flatMap(({ subnet, masquerade, mode, internal, source }) =>
    subnet && masquerade && translated(mode) && !internal
      ? [
          {
            key: nft.address(addressText(subnet.base)),
            until: nft.address(addressText(subnet.base + subnetSize(subnet))),
            source,
          },
        ]
      : [],
  );
  const masqueraded6 = bridges.flatMap(({ subnet6, masquerade, masquerade6 = masquerade, mode6, internal, source6 }) =>
    subnet6 && masquerade6 && translated(mode6) && !internal ? [{ ...prefixElement(subnet6), source: source6 }] : [],
  );
  /** Those that leave under an address of their own, with it. */
  const withSource = (elements: readonly (nft.SetElement & { readonly source?: string | undefined })[]) =>
    elements.flatMap(({ source, key, until }) =>
      source === undefined || until === undefined ? [] : [{ key, until, value: nft.address(source) }],
    );
  const plain = (elements: readonly nft.SetElement[]) =>
    elements.flatMap(({ key, until }) => (until ? [{ key, until }] : []));
  const trusted = bridges.flatMap(({ name, trusted = [], internal }) =>
    internal ? [] : trusted.map(link => ({ key: nft.concat(nft.linkName(link), nft.linkName(name)) })),
  );
  return [
    ...named(Sets.bridges, () => true),
    ...change(table, Sets.pairs, pairs),
    ...change(table, Sets.masqueraded, plain(masqueraded)),
    ...change(table, Sets.masqueraded6, plain(masqueraded6)),
    ...change(table, Sets.sources, withSource(masqueraded)),
    ...change(table, Sets.sources6, withSource(masqueraded6)),
    ...change(table, Sets.trusted, trusted),
    ...named(Sets.internal, bridge => bridge.internal),
    ...named(Sets.routed, bridge => bridge.mode === 'routed' && !bridge.internal),
    ...named(Sets.routed6, bridge => bridge.mode6 === 'routed' && !bridge.internal),
    ...named(Sets.unprotected, bridge => bridge.mode === 'nat-unprotected' && !bridge.internal),
    ...named(Sets.unprotected6, bridge => bridge.mode6 === 'nat-unprotected' && !bridge.internal),
  ];
}

/** An IPv6 prefix as a range of addresses. */
function prefixElement(cidr: string): nft.SetElement {
  const [address = '', length = ''] = cidr.split('/');
  const bits = BigInt(128 - Number(length));
  const base = (BigInt(`0x${Buffer.from(nft.address(address)).toString('hex')}`) >> bits) << bits;
  const bytes = (number: bigint): Uint8Array => Buffer.from(number.toString(16).padStart(32, '0'), 'hex');
  return { key: bytes(base), until: bytes(base + (1n << bits)) };
}
