import { type netlink, nftables as nft } from '@gantry/linux';
import type { Endpoint, PublishedPort } from '../face.ts';
import { addressText, type Subnet, subnetSize } from '../subnet.ts';

export type FirewallBridge = {
  readonly name: string;
  readonly subnet: Subnet;
  /** Its containers reach each other. */
  readonly icc: boolean;
  /** Its containers reach the outside under the host's address. */
  readonly masquerade: boolean;
  /** Its containers reach nothing beyond it. */
  readonly internal?: boolean;
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
  /** Bridges that nothing may leave. */
  internal: 'internal',
  /** Ports published on one address of the host, and on all. */
  ports: 'ports',
  wildcardPorts: 'wildcard-ports',
} as const;

const Chains = { publish: 'publish' } as const;
const Priority = { raw: -300, destination: -100, filter: 0, source: 100 } as const;

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

/** The whole table, in place of what has been there. */
export function tableMessages(
  table: nft.Table,
  bridges: readonly FirewallBridge[],
  elements: PortElements,
): netlink.Message[] {
  return [
    nft.addTable(table),
    nft.deleteTable(table),
    nft.addTable(table),
    ...setMessages(table),
    nft.addChain(table, Chains.publish),
    nft.addChain(table, 'raw', { type: 'filter', hook: 'prerouting', priority: Priority.raw }),
    nft.addChain(table, 'prerouting', { type: 'nat', hook: 'prerouting', priority: Priority.destination }),
    nft.addChain(table, 'output', { type: 'nat', hook: 'output', priority: Priority.destination }),
    nft.addChain(table, 'postrouting', { type: 'nat', hook: 'postrouting', priority: Priority.source }),
    nft.addChain(table, 'forward', { type: 'filter', hook: 'forward', priority: Priority.filter }),
    ...ruleMessages(table),
    ...bridgeMessages(table, bridges),
    ...portMessages(nft.addElements, table, elements),
  ];
}

function setMessages(table: nft.Table): netlink.Message[] {
  const target = nft.concatenated(Type.ipv4, Type.port);
  return [
    { name: Sets.bridges, key: Type.linkName },
    { name: Sets.pairs, key: nft.concatenated(Type.linkName, Type.linkName) },
    { name: Sets.masqueraded, key: Type.ipv4, interval: true },
    { name: Sets.internal, key: Type.linkName },
    { name: Sets.ports, key: nft.concatenated(Type.ipv4, Type.protocol, Type.port), value: target },
    { name: Sets.wildcardPorts, key: nft.concatenated(Type.protocol, Type.port), value: target },
  ].map((definition, index) => nft.addSet(table, definition, index + 1));
}

function ruleMessages(table: nft.Table): netlink.Message[] {
  const accept = nft.decide({ verdict: 'accept' });
  const drop = nft.decide({ verdict: 'drop' });
  const toPublished = [...nft.destinationIsLocal(), nft.decide({ verdict: 'jump', chain: Chains.publish })];
  const rule = (chain: string, comment: string, expressions: readonly nft.Expression[]): netlink.Message =>
    nft.addRule(table, chain, expressions, { comment });
  return [
    rule('raw', 'loopback addresses come from the host itself', [
      ...nft.fromLink('lo', 'unequal'),
      ...nft.destinationIsLoopback(),
      drop,
    ]),
    rule('prerouting', 'published ports, from outside and from containers', toPublished),
    rule('output', 'published ports, from the host', toPublished),
    rule(Chains.publish, 'on one address', [
      ...nft.isIPv4(),
      nft.payload('network', 16, 4, 0),
      nft.meta('l4proto', 1),
      nft.payload('transport', 2, 2, 2),
      nft.lookup(Sets.ports, 0, { to: 0 }),
      nft.translate('destination', 'ipv4', { address: 0, port: 1 }),
    ]),
    rule(Chains.publish, 'on all addresses', [
      ...nft.isIPv4(),
      nft.meta('l4proto', 0),
      nft.payload('transport', 2, 2, 1),
      nft.lookup(Sets.wildcardPorts, 0, { to: 0 }),
      nft.translate('destination', 'ipv4', { address: 0, port: 1 }),
    ]),
    rule('postrouting', 'containers to the outside', [
      ...nft.toLinkIn(Sets.bridges, true),
      ...nft.sourceIn(Sets.masqueraded),
      nft.masquerade(),
    ]),
    rule('postrouting', 'containers to published ports of containers: the answer must come back this way', [
      ...nft.toLinkIn(Sets.bridges),
      ...nft.destinationWasTranslated(),
      ...nft.sourceIn(Sets.masqueraded),
      nft.masquerade(),
    ]),
    rule('postrouting', 'the loopback address means another host to a container', [
      ...nft.toLinkIn(Sets.bridges),
      ...nft.sourceIsLoopback(),
      nft.masquerade(),
    ]),
    rule('forward', 'connections that were admitted', [...nft.connectionState('established', 'related'), accept]),
    rule('forward', 'containers of one bridge', [...nft.linksIn(Sets.pairs), accept]),
    rule('forward', 'nothing leaves an internal network', [...nft.fromLinkIn(Sets.internal), drop]),
    rule('forward', 'published ports', [...nft.toLinkIn(Sets.bridges), ...nft.destinationWasTranslated(), accept]),
    rule('forward', 'nothing else reaches containers', [...nft.toLinkIn(Sets.bridges), drop]),
  ];
}

/** How many rules a whole table has. */
export const RULE_COUNT = ruleMessages({ family: nft.Family.inet, name: '' }).length;

/** The elements of bridges: added, or deleted, as `change` says. */
export function bridgeMessages(
  table: nft.Table,
  bridges: readonly FirewallBridge[],
  change: typeof nft.addElements = nft.addElements,
): netlink.Message[] {
  const nameOf = ({ name }: FirewallBridge) => ({ key: nft.linkName(name) });
  const pairs = bridges
    .filter(bridge => bridge.icc)
    .map(({ name }) => ({ key: nft.concat(nft.linkName(name), nft.linkName(name)) }));
  const masqueraded = bridges
    .filter(bridge => bridge.masquerade && !bridge.internal)
    .map(({ subnet }) => ({
      key: nft.address(addressText(subnet.base)),
      until: nft.address(addressText(subnet.base + subnetSize(subnet))),
    }));
  return [
    ...change(table, Sets.bridges, bridges.map(nameOf)),
    ...change(table, Sets.pairs, pairs),
    ...change(table, Sets.masqueraded, masqueraded),
    ...change(table, Sets.internal, bridges.filter(bridge => bridge.internal).map(nameOf)),
  ];
}

/** Elements of the two port maps. */
export type PortElements = {
  readonly ports: readonly nft.SetElement[];
  readonly wildcardPorts: readonly nft.SetElement[];
};

/** The elements that publish the IPv4 ports of endpoints. */
export function portElements(endpoints: readonly Endpoint[]): PortElements {
  const ports: nft.SetElement[] = [];
  const wildcardPorts: nft.SetElement[] = [];
  for (const { ipv4, ports: published } of endpoints) {
    if (!ipv4) continue;
    for (const one of published) {
      if (one.hostIp.includes(':')) continue;
      const value = nft.concat(nft.address(ipv4.address), nft.port(one.containerPort));
      if (one.hostIp === '0.0.0.0') wildcardPorts.push({ key: wildcardKey(one), value });
      else ports.push({ key: nft.concat(nft.address(one.hostIp), wildcardKey(one)), value });
    }
  }
  return { ports, wildcardPorts };
}

/** Adds or deletes the elements, as `change` says. */
export function portMessages(
  change: typeof nft.addElements,
  table: nft.Table,
  { ports, wildcardPorts }: PortElements,
): netlink.Message[] {
  return [...change(table, Sets.ports, ports), ...change(table, Sets.wildcardPorts, wildcardPorts)];
}

function wildcardKey({ protocol, hostPort }: PublishedPort): Uint8Array {
  return nft.concat(nft.protocol(protocol), nft.port(hostPort));
}
