import { netlink, nftables as nft } from '@gantry/linux';
import type { Step } from '@gantry/runtime';

/** Where containers of user-defined networks ask for names, as in Docker. */
export const RESOLVER_ADDRESS = '127.0.0.11';
const DNS_PORT = 53;
/** Where our sockets are: above the ports that the kernel chooses, so that port 53 is free for a program on all addresses. */
const OWN_PORT = 61_053;

/** The steps, in `parent` or `Shim.hold`, that make the sockets of a container's resolver. */
export const resolverSocketSteps: readonly Step[] = (['udp', 'tcp'] as const).map(protocol => ({
  op: 'hostSocket',
  protocol,
  address: RESOLVER_ADDRESS,
  port: OWN_PORT,
  inside: true,
}));

const table: nft.Table = { family: nft.Family.ipv4, name: 'gantry-names' };

/**
 * The step, in the container's network namespace, that leads port 53 of the resolver's address to our sockets: both
 * ways by a rewritten port, without connection tracking.
 */
export const resolverRuleSteps: readonly Step[] = [
  { op: 'netlink', protocol: netlink.NetlinkProtocol.netfilter, message: nft.transaction(rules()) },
];

function rules(): netlink.Message[] {
  const address = nft.address(RESOLVER_ADDRESS);
  const rule = (protocol: 'tcp' | 'udp', to: boolean) =>
    nft.addRule(table, 'output', [
      ...nft.toLink('lo'),
      nft.payload('network', to ? 16 : 12, 4, 0),
      nft.compare('equal', 0, address),
      nft.meta('l4proto', 0),
      nft.compare('equal', 0, nft.protocol(protocol)),
      nft.payload('transport', to ? 2 : 0, 2, 0),
      nft.compare('equal', 0, nft.port(to ? DNS_PORT : OWN_PORT)),
      nft.immediate(0, nft.port(to ? OWN_PORT : DNS_PORT)),
      nft.rewritePort(to ? 'destination' : 'source', protocol, 0),
    ]);
  return [
    nft.addTable(table),
    nft.addChain(table, 'output', { type: 'filter', hook: 'output', priority: -300 }),
    ...(['udp', 'tcp'] as const).flatMap(protocol => [rule(protocol, true), rule(protocol, false)]),
  ];
}
